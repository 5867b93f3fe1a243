// The spellings of one name that Ollama accepts: `NAME`, `NAME:latest`, `library/NAME`, any letter case.
// https://github.com/ollama/ollama/blob/main/types/model/name.go

const scheme = /^https?:\/\//i
const registry = /^registry\.ollama\.ai\//i
const library = /^library\//i
const defaultTag = ':latest'

/** What all spellings of a name have in common. */
export function looseName(name: string): string {
  const key = withoutDefaults(name).toLowerCase()
  return key.endsWith(defaultTag) ? key.slice(0, -defaultTag.length) : key
}

/** A name, or the beginning of one, without what Ollama puts before it itself. */
export function withoutDefaults(name: string): string {
  return name.replace(scheme, '').replace(registry, '').replace(library, '')
}
