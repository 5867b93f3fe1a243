// Bars over time, as a picture with words.
import type { VNode } from 'preact'
import { h } from './element.ts'

/** What a time has: bars that stand before each other, the last in front. @param hint that the pointer shows, if any. */
export type Span = readonly [hint: string, ...bars: (readonly [look: string, value: number])[]]

/** Of a bar, so that the smallest can be seen, and between two of them. */
const least = 2

/** @param label says what it shows. @param step from one time to the next, and `height`, in units of the picture. */
export function chart(label: string, spans: readonly Span[], step: number, height: number): VNode {
  const most = Math.max(...spans.flatMap(([, ...bars]) => bars.map(([, value]) => value)))
  const width = spans.length * step
  return h(
    'svg',
    {
      role: 'img',
      'aria-label': label,
      viewBox: `0 0 ${width} ${height}`,
      preserveAspectRatio: 'none',
      width,
      height,
    },
    h('title', null, label),
    spans.map(([hint, ...bars], at) => {
      const x = at * step
      const bar = (look: string, tall: number) =>
        h('rect', { class: look, x, y: height - tall, width: step - least, height: tall })
      return [
        bar('track', least),
        bars.map(([look, value]) => bar(look, value && Math.max(least, (value / most) * height))),
        hint && h('rect', { class: 'hit', x, width: step, height }, h('title', null, hint)),
      ]
    }),
  )
}
