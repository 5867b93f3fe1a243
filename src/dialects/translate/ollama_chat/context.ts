// What the parts of a translated request share.
import type { ProviderTraits } from '../../../config/provider-types.ts'
import type { RequestNotes } from '../request-notes.ts'
import type { ToolNames } from '../tool-names.ts'

/** Of one request. */
export interface RequestContext {
  readonly traits: ProviderTraits
  readonly notes: RequestNotes
  readonly names: ToolNames
  /** As the client names it. */
  readonly model: string
}

/** Refuses what this provider lacks and Ollama has. @param what begins the sentence: `"template"`. */
export function refuse({ notes, model }: RequestContext, param: string, what: string): void {
  notes.refuse(param, `${param}: ${what} is not supported by the provider of ${model}.`)
}
