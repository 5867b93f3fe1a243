// Durations as people type them.

const unitMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
}

/** `30s`, `90m`, `12h`, `7d`, `2w` in milliseconds; undefined for anything else, and for 0. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,6})([smhdw])$/.exec(text) ?? []
  const ms = Number(count) * (unitMs[unit] ?? NaN)
  return ms > 0 ? ms : undefined
}
