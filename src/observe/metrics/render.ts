// Metrics as text: version 0.0.4 of Prometheus' format (https://prometheus.io/docs/instrumenting/exposition_formats/).
import { bucketsOf, type FamilyName, families, prefix } from './families.ts'
import { type GaugeFamily, type GaugeName, gauges, type Readings } from './gauges.ts'
import type { Registry } from './registry.ts'
import type { Series } from './series-table.ts'

/** How long one turn of the event loop makes text, in milliseconds, and how much of it at most. */
const sliceMs = 0.5
const sliceLength = 131_072

/** Between two looks at the clock. */
const partsPerLook = 16

/**
 * The text in slices, each of whole lines and made when it is asked for, so that the caller can let others run between them.
 * A histogram is in one slice, so that its buckets and its count agree.
 * @param now milliseconds of a monotonic clock.
 */
export function* slicesOf(registry: Registry, readings: Readings, now: () => number): Generator<string> {
  let text = ''
  let parts = 0
  let startedMs = now()
  for (const part of partsOf(registry, readings)) {
    text += part
    parts += 1
    const isOver = parts % partsPerLook === 0 && now() - startedMs > sliceMs
    if (!isOver && text.length < sliceLength) continue
    yield text
    text = ''
    startedMs = now()
  }
  if (text !== '') yield text
}

function* partsOf(registry: Registry, readings: Readings): Generator<string> {
  for (const [name, samples] of readings) {
    const family: GaugeFamily = gauges[name]
    const full = fullName(name)
    const finite = samples.filter(({ value }) => Number.isFinite(value))
    if (finite.length > 0) yield headOf(full, family.type, family.help)
    for (const { values, value } of finite) yield `${full}${labelsOf(family.labels, values)} ${value}\n`
  }
  for (const name of Object.keys(families) as FamilyName[]) {
    const { help } = families[name]
    const type = bucketsOf(name) === undefined ? 'counter' : 'histogram'
    let isFirst = true
    for (const series of registry.of(name)) {
      if (isFirst) yield headOf(prefix + name, type, help)
      isFirst = false
      yield textOf(series, registry)
    }
  }
}

/** As it stands in the text. */
export function fullName(name: GaugeName): string {
  const { isShared }: GaugeFamily = gauges[name]
  return isShared === true ? name : prefix + name
}

function headOf(name: string, type: string, help: string): string {
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`
}

/** Kept, because a series never changes its labels, and there are thousands. */
const labelTexts = new WeakMap<Series, string>()

function textOf(series: Series, registry: Registry): string {
  const { name, values, first } = series
  let labels = labelTexts.get(series)
  if (labels === undefined) {
    labels = labelsOf(families[name].labels, values)
    labelTexts.set(series, labels)
  }
  const buckets = bucketsOf(name)
  const full = prefix + name
  if (buckets === undefined) return `${full}${labels} ${registry.at(first)}\n`
  const start = labels === '' ? '{' : `${labels.slice(0, -1)},`
  let text = ''
  let count = 0
  for (let index = 0; index < buckets.length; index += 1) {
    count += registry.at(first + index)
    text += `${full}_bucket${start}le="${buckets[index]!}"} ${count}\n`
  }
  count += registry.at(first + buckets.length)
  text += `${full}_bucket${start}le="+Inf"} ${count}\n`
  const sum = registry.at(first + buckets.length + 1)
  return `${text}${full}_sum${labels} ${sum}\n${full}_count${labels} ${count}\n`
}

/** Empty without labels. */
function labelsOf(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return ''
  return `{${names.map((name, index) => `${name}="${escaped(values[index]!)}"`).join(',')}}`
}

function escaped(value: string): string {
  const text = value.toWellFormed()
  return /["\\\n]/.test(text)
    ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
    : text
}
