// A credential in a checked configuration.

/** A credential. Printing, serialising or inspecting it shows `[secret]`. */
export interface Secret {
  /**
   * The value. Called only in `upstream/`, where the header is written and echoes of it are masked, where a notification is
   * sent, and on the way to another thread.
   */
  reveal(): string
  /** Its source, for people: `credential openai_api_key`, `env OPENAI_API_KEY`, `file /path`. */
  readonly source: string
  /** When its file was written, in milliseconds since 1970. Absent: unknown, as for credentials, which are copies. */
  readonly setAtMs?: number | undefined
}
