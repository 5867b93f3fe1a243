// The gateway's list of models for clients of Anthropic's API. https://docs.claude.com/en/api/models-list
import type { ModelFacts } from '../../domain.ts'
import { contextLengthOf, createdOf, maxOutputOf } from '../model-facts.ts'

/** A row of the list; only the context and the output are known of other providers' models. */
export function renderModel(id: string, facts: ModelFacts = {}): object {
  return {
    type: 'model',
    id,
    display_name: id,
    created_at: instantOf(createdOf(facts) ?? 0),
    max_input_tokens: contextLengthOf(facts) ?? null,
    max_tokens: maxOutputOf(facts) ?? null,
    capabilities: null,
    lifecycle: 'active',
    deprecated_at: null,
    retires_at: null,
    line: null,
  }
}

/** All of them in one page, whatever the client's limit. */
export function renderModelList(models: readonly object[], ids: readonly string[]): object {
  return { data: models, has_more: false, first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null }
}

/** The latest time that RFC 3339 can write. */
const maxSeconds = 253_402_300_799

function instantOf(seconds: number): string {
  return new Date(1000 * Math.min(seconds, maxSeconds)).toISOString().replace('.000Z', 'Z')
}
