// The parameters that follow a header's value: `; name=token; name="quoted"` (RFC 9110 §5.6.6).

const visible = /^[\t -~\x80-\xff]*$/
const blank = /^[ \t]*$/
const parameter = /[ \t]*;[ \t]*(?:([\w!#$%&'*+\-.^`|~]+)=(?:([\w!#$%&'*+\-.^`|~]+)|"((?:[^"\\]|\\.)*)"))?/y

/**
 * The parameters in `text` from `at` on, names in lower case, quoted values without their quotes. Backslashes in them
 * stay, because parsers differ there: a caller to whom the value matters refuses them. Linear. Undefined when anything
 * else stands there, or a name twice.
 */
export function parseParameters(text: string, at: number): Map<string, string> | undefined {
  if (!visible.test(text)) return undefined
  const found = new Map<string, string>()
  let next = at
  while (next < text.length) {
    parameter.lastIndex = next
    const match = parameter.exec(text)
    if (match === null) return blank.test(text.slice(next)) ? found : undefined
    const name = match[1]?.toLowerCase()
    if (name !== undefined) {
      if (found.has(name)) return undefined
      found.set(name, match[2] ?? match[3]!)
    }
    next = parameter.lastIndex
  }
  return found
}
