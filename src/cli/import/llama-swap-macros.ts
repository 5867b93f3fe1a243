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

/**
 * Replaces macros in texts; `${env.NAME}` stays for the caller. Each macro may use those before it, so they are replaced from the
 * last to the first, and one of a model replaces its namesake within others, too.
 * https://github.com/mostlygeek/llama-swap/blob/main/internal/config/load.go
 */
export class Macros {
  /** In the order of their definition. */
  readonly #values: ReadonlyMap<string, string>

  private constructor(values: ReadonlyMap<string, string>) {
    this.#values = values
  }

  static readonly none = new Macros(new Map())

  /** @param over what the new ones are added to, or replace. */
  static read(macros: Foreign, over: Macros = Macros.none): Macros {
    const values = new Map(over.#values)
    for (const [name, member] of macros.members()) {
      const { value } = member
      if (!['string', 'number', 'boolean'].includes(typeof value)) continue
      member.take()
      values.set(name, String(value))
    }
    return new Macros(values)
  }

  /** With what llama-swap itself knows of a model, which every macro may use. */
  with(more: Readonly<Record<string, string>>): Macros {
    return new Macros(new Map([...Object.entries(more), ...this.#values]))
  }

  expand(text: string): Expanded {
    let expanded = text
    for (const [name, value] of [...this.#values].toReversed()) {
      const parts = expanded.split(`\${${name}}`)
      if (expanded.length + (parts.length - 1) * value.length > maxLength) return { text: '', unknown: ['…'] }
      expanded = parts.join(value)
    }
    const unknown = expanded.matchAll(/\$\{([A-Za-z0-9_-]{1,64})\}/g).map(([, name = '']) => name)
    return { text: expanded, unknown: [...new Set(unknown)] }
  }
}

/** Without lines that begin with #: they go before macros are replaced, which may have several lines. */
export function withoutComments(command: string): string {
  return command
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('#'))
    .join('\n')
}

/** Splits a command as a shell does, without running one; lines that begin with # are comments. */
export function splitCommand(command: string): readonly string[] {
  const text = withoutComments(command).replaceAll(/\\\r?\n/g, ' ')
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

/** Short options of model servers and of what people start them by, whose values are tokens: llama.cpp's `-hft` is `--hf-token`. */
const shortOptions = new Set(['-hft', '-k'])

/** Whether a word after an option that holds a credential is the next option. A credential may begin with a dash, too. */
const isOption = (word: string) => /^(?:--[a-z][a-z-]*(?:=.*)?|-[a-z]{1,4})$/i.test(word)

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
    const isNamed = /^--?[\w-]+$/.test(option) && namesCredential(option.replace(/^-+/, ''))
    if (!isNamed && !shortOptions.has(option)) words.push(word)
    else if (rest.length > 0) keys.push(rest.join('='))
    else {
      // An option may take several.
      while (index + 1 < command.length && !isOption(command[index + 1]!)) keys.push(command[++index]!)
    }
  }
  return { words, keys }
}
