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

/** As Ollama lists a name. A colon anywhere in it counts as a tag, because clients of its lists look for no more. */
export function withTag(name: string): string {
  return name.includes(':') ? name : name + defaultTag
}

/** Without the tag that such a list writes for none; undefined where the name has another, or none. */
export function withoutDefaultTag(name: string): string | undefined {
  return name.endsWith(defaultTag) && name !== defaultTag ? name.slice(0, -defaultTag.length) : undefined
}

/** A name, or the beginning of one, without what Ollama puts before it itself. */
export function withoutDefaults(name: string): string {
  return name.replace(scheme, '').replace(registry, '').replace(library, '')
}
