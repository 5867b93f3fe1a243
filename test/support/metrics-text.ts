// Reads Prometheus' text format 0.0.4 by itself, and checks what a scraper would refuse or take for something else.
import assert from 'node:assert/strict'

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Metrics {
  readonly samples: readonly Sample[]
  /** By name. */
  readonly types: ReadonlyMap<string, string>
  /** The sum of the samples that have these labels. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number
  /** The value of the only such sample; undefined: there is none. */
  value(name: string, labels?: Readonly<Record<string, string>>): number | undefined
}

const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/s
const label = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy

export async function scrape(gateway: { readonly url: string }): Promise<Metrics> {
  const response = await fetch(`${gateway.url}/metrics`, { headers: { connection: 'close' } })
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  return readMetrics(await response.text())
}

/** Throws for text that breaks the format. */
export function readMetrics(text: string): Metrics {
  assert.ok(text.endsWith('\n'), 'the text ends with a line feed')
  const types = new Map<string, string>()
  const helps = new Set<string>()
  const samples: Sample[] = []
  const seen = new Set<string>()
  let family = ''
  for (const each of text.slice(0, -1).split('\n')) {
    const [, kind, of = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(each) ?? []
    if (kind === 'HELP') {
      assert.ok(!helps.has(of), `one HELP for ${of}`)
      helps.add(of)
      continue
    }
    if (kind === 'TYPE') {
      assert.ok(!types.has(of) && helps.has(of), `one TYPE for ${of}, after its HELP`)
      types.set(of, rest)
      family = of
      continue
    }
    const [, name, inner = '', value] = line.exec(each) ?? []
    assert.ok(name !== undefined, `a sample: ${each}`)
    const suffix = types.get(family) === 'histogram' ? /_(?:bucket|sum|count)$/ : /$^/
    assert.equal(name.replace(suffix, ''), family, 'samples follow their TYPE')
    const labels = readLabels(inner, each)
    const key = JSON.stringify([name, labels])
    assert.ok(!seen.has(key), `one sample of ${each}`)
    seen.add(key)
    const number = Number(value)
    assert.ok(Number.isFinite(number), `a number: ${each}`)
    if (types.get(family) !== 'gauge') assert.ok(number >= 0, `not negative: ${each}`)
    samples.push({ name, labels, value: number })
  }
  checkHistograms(samples, types)
  const matching = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    samples.filter(
      (sample) =>
        sample.name === name && Object.entries(labels).every(([key, each]) => sample.labels[key] === each),
    )
  return {
    samples,
    types,
    sum: (name, labels) => matching(name, labels).reduce((total, { value }) => total + value, 0),
    value(name, labels) {
      const found = matching(name, labels)
      assert.ok(found.length < 2, `one sample of ${name} ${JSON.stringify(labels)}`)
      return found[0]?.value
    },
  }
}

function readLabels(inner: string, where: string): Record<string, string> {
  const labels: Record<string, string> = {}
  label.lastIndex = 0
  let end = 0
  for (let match = label.exec(inner); match !== null; match = label.exec(inner)) {
    labels[match[1]!] = match[2]!.replaceAll(/\\(.)/gs, (_, escaped: string) =>
      escaped === 'n' ? '\n' : escaped,
    )
    end = label.lastIndex
  }
  assert.equal(end, inner.length, `labels: ${where}`)
  return labels
}

/** Buckets rise, and the last one is the count. */
function checkHistograms(samples: readonly Sample[], types: ReadonlyMap<string, string>): void {
  for (const [name, type] of types) {
    if (type !== 'histogram') continue
    const counts = samples.filter((sample) => sample.name === `${name}_count`)
    for (const { labels, value } of counts) {
      const buckets = samples.filter(
        (sample) =>
          sample.name === `${name}_bucket` &&
          Object.entries(labels).every(([key, each]) => sample.labels[key] === each),
      )
      const bounds = buckets.map((bucket) => Number(bucket.labels['le']!.replace('+Inf', 'Infinity')))
      assert.deepEqual(
        bounds,
        bounds.toSorted((one, other) => one - other),
      )
      const values = buckets.map((bucket) => bucket.value)
      assert.deepEqual(
        values,
        values.toSorted((one, other) => one - other),
      )
      assert.equal(bounds.at(-1), Infinity)
      assert.equal(values.at(-1), value)
    }
  }
}
