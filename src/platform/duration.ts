// Durations as people type and read them.

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

/**
 * For people, in at most two units, the second of which is left out where it is 0: `850 ms`, `4.2 s`, `3 min 20 s`, `12 min`,
 * `2 d 4 h`. @param ms below 0 it counts as 0.
 */
export function durationText(ms: number): string {
  if (ms < 999.5) return `${Math.max(0, Math.round(ms))} ms`
  if (ms < 59_950) return `${Math.round(ms / 100) / 10} s`
  const seconds = Math.round(ms / 1_000)
  const [days, hours, minutes] = [seconds / 86_400, (seconds / 3_600) % 24, (seconds / 60) % 60].map(
    Math.floor,
  ) as [number, number, number]
  const [first, second] =
    days > 0
      ? [`${days} d`, `${hours} h`]
      : hours > 0
        ? [`${hours} h`, `${minutes} min`]
        : [`${minutes} min`, `${seconds % 60} s`]
  return second.startsWith('0 ') ? first : `${first} ${second}`
}
