// How limits stand that gateways of several machines share: `GET /v1/limits`, the status page, `llm-gateway machines --json`.
// Members are part of the interface: they are added to, never renamed.

export interface SharedStoreReport {
  /** Whether the store can be used now. */
  readonly up: boolean
  /** Why not; null while it is up. */
  readonly fault: string | null
  /** `Valkey 8.0.1`; null: it has not been reached yet. */
  readonly server: string | null
  /**
   * What this gateway grants now: the limits of `all` together, its `share` of each, nothing beyond what it holds (`refuse`), or the
   * whole of each as if it were alone (`local`).
   */
  readonly in_force: 'all' | 'share' | 'refuse' | 'local'
  /** As configured: how many gateways share each limit at most. */
  readonly members: number
  /** Machines that are there, this one included, as last heard. */
  readonly here: number
  /** As last heard, this one first, then by name. Of the last day. Empty for those who do not see everything. */
  readonly machines: readonly MachineRow[]
  /** What keeps machines that are there from counting together, for people. Empty for those who do not see everything. */
  readonly conflicts: readonly string[]
}

/** With what people read of it. */
export interface ShownStore extends SharedStoreReport {
  /** Whether it is up, and what is in force. */
  readonly text: string
  readonly machines: readonly ShownMachine[]
}

export interface ShownMachine extends MachineRow {
  /** Its uses; null: nothing counts. */
  readonly uses_text: string | null
}

/** For those who may not know what else there is. */
export function withoutNames(store: SharedStoreReport): SharedStoreReport {
  return {
    ...store,
    fault: store.fault === null ? null : 'it cannot be reached',
    server: null,
    machines: [],
    conflicts: [],
  }
}

export interface MachineRow {
  /** Its host name, with the start of its id where several have the same. */
  readonly name: string
  /** In its state directory (`machine`). */
  readonly id: string
  readonly version: string
  /** `silent`: it has said nothing for some seconds and has not left. */
  readonly state: 'here' | 'silent' | 'left'
  readonly is_this: boolean
  /** When its gateway joined; null: of an older version, which does not say it. */
  readonly since: string | null
  readonly last_seen: string
  /** What counts of it now in the limits of models and providers; at most 200. */
  readonly uses: readonly MachineUse[]
}

export interface MachineUse {
  readonly kind: 'model' | 'provider'
  readonly name: string
  /** In the last 60 seconds, and calls at this moment; as it has last told. */
  readonly requests: number
  readonly tokens: number
  readonly parallel: number
}
