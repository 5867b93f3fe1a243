// An error on its way to another thread: as texts, for its cause and members of its own may be what can't be sent.

export interface SentError {
  readonly message: string
  readonly stack: string | undefined
}

export function sentError(error: unknown): SentError {
  return error instanceof Error
    ? { message: error.message, stack: error.stack }
    : { message: String(error), stack: undefined }
}

/** With the stack that it had in its own thread. */
export function receivedError({ message, stack }: SentError): Error {
  const error = new Error(message)
  if (stack !== undefined) error.stack = stack
  return error
}
