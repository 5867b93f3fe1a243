// The chart of a soak: panels of lines over time.
import { chartStyle, escapeXml } from '../gateways/chart.ts'
import type { Course } from './samples.ts'

const width = 860
const columns = 2
const gutter = 28
const panelWidth = (width - gutter * (columns + 1)) / columns
const axisWidth = 44
const plot = { width: panelWidth - axisWidth, height: 110 }
const titleHeight = 30
const legendHeight = 20
const panelHeight = titleHeight + plot.height + legendHeight + gutter
/** The strong one is the first of a panel. */
const lineStyles = ['first', 'second', 'third'] as const

const lineStyle = `
.line { fill: none; stroke-width: 1.5; stroke-linejoin: round }
.axis { stroke: #d0d7de; stroke-width: 1 }
.first { stroke: #0969da } text.first { fill: #0969da; stroke: none }
.second { stroke: #bc4c00 } text.second { fill: #bc4c00; stroke: none }
.third { stroke: #57606a } text.third { fill: #57606a; stroke: none }
@media (prefers-color-scheme: dark) {
  .axis { stroke: #3d444d }
  .first { stroke: #4493f8 } text.first { fill: #4493f8 }
  .second { stroke: #db6d28 } text.second { fill: #db6d28 }
  .third { stroke: #9198a1 } text.third { fill: #9198a1 }
}`

/** @returns an SVG document that needs nothing else and reads on light and dark pages. */
export function drawSoak(courses: readonly Course[], caption: string): string {
  const panels = [...Map.groupBy(courses, ({ measure }) => measure.panel)]
  const height = Math.ceil(panels.length / columns) * panelHeight + gutter + 32
  const drawn = panels.map(([title, lines], index) => {
    const x = gutter + (index % columns) * (panelWidth + gutter)
    const y = gutter + Math.floor(index / columns) * panelHeight
    return `<g transform="translate(${x} ${y})">${panel(title, lines)}</g>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeXml(caption)}">
<style>${chartStyle}${lineStyle}</style>
<rect class="page" width="${width}" height="${height}" rx="8"/>
${drawn.join('\n')}
<text class="note" x="${gutter}" y="${height - 16}">${escapeXml(caption)}</text>
</svg>
`
}

function panel(title: string, lines: readonly Course[]): string {
  const all = lines.flatMap(({ points }) => points)
  const most = niceAbove(Math.max(0, ...all.map(({ value }) => value)))
  const lastMs = Math.max(1, ...all.map(({ atMs }) => atMs))
  const bottom = titleHeight + plot.height
  const ticks = [0, most / 2, most].map((value) => {
    const y = round(bottom - (value / most) * plot.height)
    return `<path class="axis" d="M${axisWidth} ${y}H${panelWidth}"/><text class="value" x="${axisWidth - 6}" y="${y + 4}" text-anchor="end">${short(value)}</text>`
  })
  const drawn = lines.map(({ points }, index) => {
    const places = points.map(({ atMs, value }) => {
      const x = round(axisWidth + (atMs / lastMs) * plot.width)
      return `${x} ${round(bottom - (value / most) * plot.height)}`
    })
    return places.length === 0
      ? ''
      : `<path class="line ${lineStyles[index] ?? 'third'}" d="M${places.join('L')}"/>`
  })
  const step = plot.width / lines.length
  const legend = lines.map(
    ({ measure }, index) =>
      `<text class="${lineStyles[index] ?? 'third'}" x="${round(axisWidth + index * step)}" y="${bottom + legendHeight}">${escapeXml(measure.short ?? measure.title)}</text>`,
  )
  return [`<text class="title" y="16">${escapeXml(title)}</text>`, ...ticks, ...drawn, ...legend].join('')
}

/** The next of 1, 2, 5 times a power of ten. */
function niceAbove(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value)!
}

function short(value: number): string {
  return String(Number(value.toPrecision(3)))
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
