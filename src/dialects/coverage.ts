// What a translation carries, member by member: what `explain --dialect` and docs/clients.md print. Each translator's folder
// has its table in `coverage.ts`, which a test compares with what the translator does.

/** `approximated`: the member arrives in another form, or in part. `refused`: the call is, with the member's name. */
export type Carriage = 'exact' | 'approximated' | 'refused' | 'dropped'

/** The note states how, when or why, as part of a sentence and in Markdown: 'joined by a blank line'. */
type Covered = readonly [carriage: Carriage, note?: string]

/** By member, as it is written in the format that has it: `tools.cache_control`, `content.image`. In the order to print. */
type CoveredMembers = Readonly<Record<string, Covered>>

export interface Coverage {
  /** Members of the client's request. */
  readonly request: CoveredMembers
  /** Members of the provider's response, its events included. */
  readonly response: CoveredMembers
}
