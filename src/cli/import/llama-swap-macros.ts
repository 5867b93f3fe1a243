// Macros of llama-swap: texts that stand for others, and ports that it counts out.
import { namesCredential } from './credentials.ts'
import type { Foreign } from './foreign.ts'

export interface Expanded {
  readonly text: string
  /** References that nothing explains. */
  readonly unknown: readonly string[]
}

/** Macros that hold each other grow without a limit. */
const maxLength = 64 * 1024

/** Replaces macros in texts; `${env.NAME}` stays for the caller. */
export class Macros {
  readonly #values: ReadonlyMap<string, string>

  private constructor(values: ReadonlyMap<string, string>) {
    this.#values = values
  }

  static readonly none = new Macros(new Map())

  /** Each may use those before it. @param over what the new ones are added to, or replace. */
  static read(macros: Foreign, over: Macros = Macros.none): Macros {
    const values = new Map(over.#values)
    for (const [name, member] of macros.members()) {
      const { value } = member
      if (!['string', 'number', 'boolean'].includes(typeof value)) continue
      member.take()
      values.set(name, new Macros(values).expand(String(value)).text)
    }
    return new Macros(values)
  }

  /** With what llama-swap itself knows of a model. */
  with(more: Readonly<Record<string, string>>): Macros {
    return new Macros(new Map([...this.#values, ...Object.entries(more)]))
  }

  expand(text: string): Expanded {
    const unknown = new Set<string>()
    let expanded = text
    // A macro of the model may name one that was expanded before the model was known, such as PORT.
    for (let round = 0; round < 4 && expanded.includes('${'); round += 1) {
      unknown.clear()
      expanded = expanded.replace(/\$\{([A-Za-z0-9_-]{1,64})\}/g, (match, name: string) => {
        const value = this.#values.get(name)
        if (value === undefined) unknown.add(name)
        return value ?? match
      })
      if (expanded.length > maxLength) return { text: '', unknown: ['…'] }
    }
    return { text: expanded, unknown: [...unknown] }
  }
}

/** Splits a command as a shell does, without running one; lines that begin with # are comments. */
export function splitCommand(command: string): readonly string[] {
  const text = command
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
    .replaceAll(/\\\r?\n/g, ' ')
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]!
    if (quote !== '') {
      if (character === quote) quote = ''
      else if (character === '\\' && quote === '"' && /["\\$`]/.test(text[index + 1] ?? ''))
        word += text[++index]!
      else word += character
    } else if (character === "'" || character === '"') {
      quote = character
      word ??= ''
    } else if (/\s/.test(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + (character === '\\' ? (text[++index] ?? '') : character)
    }
  }
  if (word !== undefined) words.push(word)
  return words
}

/** A command without the options that hold credentials, and those credentials. */
export function withoutKeys(command: readonly string[]): {
  readonly words: readonly string[]
  readonly keys: readonly string[]
} {
  const words: string[] = []
  const keys: string[] = []
  for (let index = 0; index < command.length; index += 1) {
    const word = command[index]!
    const [option = '', ...rest] = word.split('=')
    if (!/^--?[\w-]+$/.test(option) || !namesCredential(option.replace(/^-+/, ''))) words.push(word)
    else if (rest.length > 0) keys.push(rest.join('='))
    else {
      // An option may take several.
      while (index + 1 < command.length && !command[index + 1]!.startsWith('-')) keys.push(command[++index]!)
    }
  }
  return { words, keys }
}
