// The web origins that may use the gateway: those listed, literally, where `:*` stands for any port or none, and `://*` for
// any host of a scheme of apps.
import type { CorsConfig } from '../config/types.ts'
import { isOrigin, splitOrigin } from '../http/origin.ts'

/** Says whether a value of the Origin header may call. */
export function originMatcher(cors: CorsConfig): (origin: string) => boolean {
  const { enabled, allowedOrigins, allowAll, allowNullOrigin } = cors
  if (!enabled) return () => false
  const [exact, anyPort, schemes] = [new Set<string>(), new Set<string>(), new Set<string>()]
  for (const pattern of allowedOrigins) {
    if (pattern.endsWith('://*')) schemes.add(pattern.slice(0, -'://*'.length))
    else if (pattern.endsWith(':*')) anyPort.add(pattern.slice(0, -':*'.length))
    else exact.add(pattern)
  }
  return (origin) => {
    // The origin of sandboxed frames and of `data:` and `file:` pages: any page can have it.
    if (origin === 'null') return allowNullOrigin
    if (allowAll || exact.has(origin) || anyPort.has(origin)) return true
    const colon = origin.lastIndexOf(':')
    if (isPort(origin.slice(colon + 1)) && anyPort.has(origin.slice(0, colon))) return true
    return schemes.size > 0 && schemes.has(splitOrigin(origin)?.scheme ?? '') && isOrigin(origin)
  }
}

function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535
}
