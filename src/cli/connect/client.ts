// What `connect` knows of a client: where its settings are, and how they lead to the gateway.

/** Where a client is to send its calls. */
export interface Destination {
  /** `http://127.0.0.1:4000`, without `/v1`. */
  readonly url: string
  readonly model: string
  /** The gateway refuses calls without a key. */
  readonly needsKey: boolean
}

/** The folders of the user whose client it is. Paths are absolute. */
export interface Home {
  readonly home: string
  /** `~/.config`. */
  readonly config: string
  readonly env: NodeJS.ProcessEnv
}

export type EditOutcome =
  /** `notes` are sentences for the user. */
  | { readonly kind: 'edited'; readonly text: string; readonly notes?: readonly string[] }
  /** Why the text is left alone, as a predicate after the name of the file. */
  | { readonly kind: 'refused'; readonly reason: string }

/** A file of the client's own. */
interface SettingsFile {
  /** The one that is there; else where the client looks for a new one. */
  readonly path: (home: Home) => string
  /** @param before the text so far; empty where there is none. */
  readonly edit: (before: string, to: Destination) => EditOutcome
}

export interface Client {
  /** As `connect` takes it. */
  readonly name: string
  readonly title: string
  /** The programs by which it is found in PATH; none: a library. */
  readonly programs: readonly string[]
  /** Folders below the home directory that only this client has. */
  readonly folders?: readonly string[]
  readonly file?: SettingsFile
  /** Why there is no file to write, as a sentence. Only without `file`. */
  readonly withoutFile?: string
  /** The variable from which the client takes a key, where the gateway needs one. */
  readonly keyVariable: string
  /** Variables that lead the client to the gateway. Absent: its file does. */
  readonly variables?: (to: Destination) => Readonly<Record<string, string>>
  /** The command that begins a conversation. */
  readonly start?: (to: Destination) => string
}

/** The variable in which clients look that can be told any name. */
export const keyVariable = 'LLM_GATEWAY_KEY'

/** What clients send in place of a key that nobody checks: some refuse to start without one. */
export const noKey = 'none'
