// The spellings of one name that Ollama accepts: `NAME`, `NAME:latest`, `library/NAME`, any letter case.
// https://github.com/ollama/ollama/blob/main/types/model/name.go

const registry = 'registry.ollama.ai/'
const library = 'library/'
const defaultTag = ':latest'

/** What all spellings of a name have in common. */
export function looseName(name: string): string {
  let key = name.toLowerCase()
  if (key.startsWith(registry)) key = key.slice(registry.length)
  if (key.startsWith(library)) key = key.slice(library.length)
  return key.endsWith(defaultTag) ? key.slice(0, -defaultTag.length) : key
}
