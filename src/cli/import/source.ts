// What an importer of another program's configuration is.
import type { JsonObject } from '../../bytes/json/parse.ts'
import type { Draft, VariableForm } from './draft.ts'
import type { Foreign, Reasons } from './foreign.ts'

export interface Source {
  /** As `--from` has it. */
  readonly name: string
  /** As people call it. */
  readonly title: string
  /** Whether a document has the shape of this program's configuration. */
  readonly recognizes: (value: JsonObject) => boolean
  readonly variables: VariableForm
  /** Files that the document includes, relative to its folder. */
  readonly includes?: (value: JsonObject) => readonly unknown[]
  /** Why keys are left out that the converter does not take. */
  readonly reasons: Reasons
  /** Puts into the draft what can be carried. Faulty values are left alone: they become notes. */
  readonly convert: (root: Foreign, draft: Draft) => void
}
