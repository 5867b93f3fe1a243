/** The text with keys of clients replaced: what somebody typed in the wrong place must not be printed. */
export function withoutKeys(text: string): string {
  return text.replaceAll(keyInText, '[key]')
}

export function holdsKey(text: string): boolean {
  return withoutKeys(text) !== text
}

/** The beginning of a key suffices: somebody may have copied it without its end. */
const keyInText = /\b[a-z][a-z0-9]{1,7}_[0-9A-Za-z]{12}_[0-9A-Za-z]{8,}/g
