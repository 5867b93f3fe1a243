// The chart: for some figures a panel of bars, on a logarithmic scale because the contenders lie far apart.
import type { Figure, Sample } from './figure.ts'
import { failedMark, shown } from './report.ts'
import { spreadOf } from './statistics.ts'
import { hasFailed, valuesOf } from './targets.ts'

const width = 860
const columns = 2
const gutter = 28
const panelWidth = (width - gutter * (columns + 1)) / columns
/** For names of 19 letters. */
const labelWidth = 122
const valueWidth = 88
const barWidth = panelWidth - labelWidth - valueWidth
const rowHeight = 20
const titleHeight = 30

export interface ChartInput {
  readonly figures: readonly Figure[]
  readonly samples: readonly Sample[]
  /** In the order of the bars. */
  readonly contenders: readonly string[]
  /** Drawn in the stronger colour. */
  readonly own: string
  readonly caption: string
}

interface Bar {
  readonly name: string
  readonly hasFailed: boolean
  readonly min: number
  readonly median: number
  readonly max: number
}

/** @returns an SVG document that needs nothing else and reads on light and dark pages. */
export function drawChart({ figures, samples, contenders, own, caption }: ChartInput): string {
  const panels = figures
    .map((figure) => ({ figure, bars: barsOf(figure, samples, contenders) }))
    .filter(({ bars }) => bars.length > 1)
  const panelHeight = titleHeight + contenders.length * rowHeight + gutter / 2
  const height = Math.ceil(panels.length / columns) * panelHeight + gutter * 2 + 12
  const drawn = panels.map(({ figure, bars }, index) => {
    const x = gutter + (index % columns) * (panelWidth + gutter)
    const y = gutter + Math.floor(index / columns) * panelHeight
    return `<g transform="translate(${x} ${y})">${panel(figure, bars, own)}</g>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(caption)}">
<style>${chartStyle}</style>
<rect class="page" width="${width}" height="${height}" rx="8"/>
${drawn.join('\n')}
<text class="note" x="${gutter}" y="${height - 16}">${escapeXml(caption)}</text>
</svg>
`
}

export const chartStyle = `
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.value, .note { fill: #57606a }
.page { fill: #ffffff; stroke: #d0d7de }
.bar { fill: #8c959f }
.own .bar { fill: #0969da }
.own text { font-weight: 600 }
.range { stroke: #24292f; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .value, .note { fill: #9198a1 }
  .page { fill: #0d1117; stroke: #3d444d }
  .bar { fill: #656c76 }
  .own .bar { fill: #4493f8 }
  .range { stroke: #e6edf3 }
}`

function barsOf(figure: Figure, samples: readonly Sample[], contenders: readonly string[]): Bar[] {
  return contenders.flatMap((name) => {
    const values = [...valuesOf(samples, figure.id, name).values()]
    // What is not above 0 has no place on the scale.
    if (values.length === 0 || Math.min(...values) <= 0) return []
    return [{ name, hasFailed: hasFailed(samples, figure.id, name), ...spreadOf(values) }]
  })
}

function panel(figure: Figure, bars: readonly Bar[], own: string): string {
  const least = Math.min(...bars.map(({ min }) => min)) / 2
  const most = Math.max(...bars.map(({ max }) => max))
  const at = (value: number) => (Math.log(value / least) / Math.log(most / least)) * barWidth
  const rows = bars.map((bar, index) => {
    const y = titleHeight + index * rowHeight
    const middle = y + rowHeight / 2
    const [from, length, to] = [at(bar.min), at(bar.median), at(bar.max)].map((place) =>
      round(labelWidth + place),
    )
    return [
      `<g${bar.name === own ? ' class="own"' : ''}>`,
      `<text x="${labelWidth - 8}" y="${middle + 4}" text-anchor="end">${escapeXml(bar.name)}</text>`,
      `<rect class="bar" x="${labelWidth}" y="${y + 3}" width="${round(length! - labelWidth)}" height="${rowHeight - 6}"/>`,
      `<path class="range" d="M${from} ${middle}H${to}"/>`,
      `<text class="value" x="${to! + 6}" y="${middle + 4}">${shown(bar.median, figure)} ${escapeXml(figure.unit)}${bar.hasFailed ? failedMark : ''}</text>`,
      '</g>',
    ].join('')
  })
  const better = figure.isMoreBetter === true ? ' (more is better)' : ''
  return `<text class="title" y="16">${escapeXml(figure.title + better)}</text>${rows.join('')}`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

export function escapeXml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&apos;')
}
