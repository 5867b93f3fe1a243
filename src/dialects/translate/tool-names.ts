// Names of tools that a provider's format does not allow go to it in a short form, and come back as the client wrote them.
import { createHash } from 'node:crypto'

/** The names that OpenAI's chat format allows; Anthropic allows the same letters, up to 128 of them. */
const allowedName = /^[a-zA-Z0-9_-]{1,64}$/
const otherLetters = /[^a-zA-Z0-9_-]/g
const keptLetters = 55
const hashLetters = 8

/** @returns a name that chat allows: the same one if it does, else its beginning and a hash of the whole. */
export function shortToolName(name: string): string {
  if (allowedName.test(name)) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, hashLetters)
  return `${name.slice(0, keptLetters).replaceAll(otherLetters, '_')}_${hash}`
}

/** The tool names of one call. */
export class ToolNames {
  #originals: Map<string, string> | undefined

  /** The name for the provider, the same one wherever the request has it. */
  toProvider(name: string): string {
    const short = shortToolName(name)
    if (short !== name) (this.#originals ??= new Map()).set(short, name)
    return short
  }

  /** The name as the client wrote it; one that it did not write is returned as it is. */
  toClient(name: string): string {
    return this.#originals?.get(name) ?? name
  }
}
