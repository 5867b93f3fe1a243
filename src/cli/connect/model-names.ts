// Which names of models clients are led to. Whoever runs a model server names its models, so the names are not trusted.

/** Models that answer no conversation, by their usual names. */
const isForOther = /embed|rerank|bge-|whisper|tts|stable-diffusion|flux/i
/** Some clients expand these in their settings: `{file:…}`, `{env:…}`, `${…}`, `$(…)`. */
const isExpanded = /[{}$`]/
/** The built-in model, and names that no key of the configuration may have. */
const isTaken = /^(?:echo|__proto__|constructor|prototype)$/

/** Names that a client can be led to without a person who has chosen them, in their order. */
export function namesForClients(names: readonly string[]): string[] {
  return names.filter(
    (name) => !isForOther.test(name) && !isExpanded.test(name) && !isTaken.test(name) && !name.includes('*'),
  )
}
