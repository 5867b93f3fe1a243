// Spans of time as systemctl prints them: `1min 30s`. systemd.time(7).

const unitsMs: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** In milliseconds; Infinity for `infinity`. Undefined: it is not a span that systemctl prints. */
export function timeSpanMs(text: string): number | undefined {
  if (text === 'infinity') return Infinity
  let sumMs = 0
  for (const word of text.split(' ')) {
    const [, count = '', unit = ''] = /^(\d+(?:\.\d+)?)([a-z]+)$/.exec(word) ?? []
    const unitMs = unitsMs[unit]
    if (unitMs === undefined) return undefined
    sumMs += Number(count) * unitMs
  }
  return sumMs
}
