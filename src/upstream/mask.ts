// A provider's error may repeat the key of the request. The client never saw that key, and must not learn it this way.

/** Shorter keys are placeholders (`none`, `EMPTY`) that occur in ordinary words. */
const minSecretLength = 8

const shown = '[secret]'

/**
 * Returns a function that replaces secrets in text: as they are, with `/` escaped as in JSON, percent-encoded, and in
 * base64. It returns the same text when there is nothing to replace.
 */
export function createMask(secrets: readonly string[]): (text: string) => string {
  const long = secrets.filter((secret) => secret.length >= minSecretLength)
  const forms = new Set(long.flatMap(formsOf))
  return (text) => {
    let masked = text
    for (const form of forms) if (masked.includes(form)) masked = masked.replaceAll(form, shown)
    return masked
  }
}

function formsOf(secret: string): string[] {
  const bytes = Buffer.from(secret)
  const base64 = bytes.toString('base64')
  return [
    secret,
    JSON.stringify(secret).slice(1, -1),
    secret.replaceAll('/', String.raw`\/`),
    encodeURIComponent(secret),
    base64,
    base64.replace(/=+$/, ''),
    bytes.toString('base64url'),
  ]
}
