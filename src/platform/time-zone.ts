// Days and hours of a time zone, by the zone data that Node brings.

/** What a clock on the wall shows. */
interface WallTime {
  /** `2026-11-01`. */
  readonly day: string
  /** 0 to 23. */
  readonly hour: number
  /** `+01:00`. */
  readonly offset: string
}

/** The zone of this machine. */
export function ownTimeZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone
}

/** Whether it is the name of a time zone: `Europe/Berlin`, `UTC`. */
export function isTimeZone(name: string): boolean {
  try {
    Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** @param zone the name of a time zone. @returns what its clocks show at an instant, in milliseconds since 1970. */
export function wallClock(zone: string): (ms: number) => WallTime {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    calendar: 'iso8601',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    timeZoneName: 'longOffset',
  })
  return (ms) => {
    const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]))
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? ''
    return {
      day: `${part('year').padStart(4, '0')}-${part('month')}-${part('day')}`,
      hour: Number(part('hour')),
      // `GMT` alone stands for no offset.
      offset: part('timeZoneName').slice('GMT'.length) || '+00:00',
    }
  }
}

/** When a day begins in a zone, in milliseconds since 1970. @param day `2026-11-01`; it has to exist. */
export function startOfDay(day: string, zone: string): number {
  const at = wallClock(zone)
  const quarterMs = 15 * 60_000
  // Zones are from 12 hours behind to 14 ahead.
  let low = Date.parse(`${day}T00:00:00Z`) - 15 * 60 * 60_000
  let high = low + 30 * 60 * 60_000
  while (high - low > quarterMs) {
    const middle = low + Math.floor((high - low) / quarterMs / 2) * quarterMs
    if (at(middle).day >= day) high = middle
    else low = middle
  }
  return high
}
