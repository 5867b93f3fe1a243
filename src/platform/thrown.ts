// What was thrown, as an error and as a text: it can be anything.

/** The error itself, or one with what was thrown as its message. */
export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** The message of an error, or what was thrown as a text. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
