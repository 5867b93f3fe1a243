// The headers of every response below `/status`: a page that nobody can frame, script or read from elsewhere.

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

/** Names and values in turn, besides those of every response (`ownHeaders`). */
export const statusHeaders: readonly string[] = [
  'content-security-policy',
  policy,
  'cross-origin-opener-policy',
  'same-origin',
  'referrer-policy',
  'no-referrer',
  'x-frame-options',
  'DENY',
]

/** Whether a request's target is the status page or below it. */
export function isStatusPath(target: string): boolean {
  return /^\/status(?:[/?]|$)/.test(target)
}
