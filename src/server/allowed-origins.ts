// The web origins that may use the gateway: those listed, literally, where `:*` stands for any port or none.

/** @param patterns `cors.allowed_origins`, validated by the configuration. */
export function originMatcher(patterns: readonly string[], mayAll: boolean): (origin: string) => boolean {
  const exact = new Set(patterns.filter((pattern) => !pattern.endsWith(':*')))
  const anyPort = new Set(
    patterns.filter((pattern) => pattern.endsWith(':*')).map((pattern) => pattern.slice(0, -2)),
  )
  return (origin) => {
    // The origin of sandboxed frames and of `data:` and `file:` pages: any page can have it.
    if (origin === 'null') return false
    if (mayAll || exact.has(origin) || anyPort.has(origin)) return true
    const colon = origin.lastIndexOf(':')
    return isPort(origin.slice(colon + 1)) && anyPort.has(origin.slice(0, colon))
  }
}

function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535
}
