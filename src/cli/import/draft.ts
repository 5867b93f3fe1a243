// What becomes of another program's configuration: ours, as far as it is known, and a note for each thing that was carried,
// changed or left out. Notes name key paths and never values.
import { isObject } from '../../bytes/json/parse.ts'
import type { Path } from '../../config/problems.ts'
import type { RawConfig, RawModel, RawProvider, RawSecret, RawService } from '../../config/raw.ts'
import { isPlaceholder, isPlainHeader, looksLikeCredential, namesCredential } from './credentials.ts'
import type { Foreign } from './foreign.ts'
import { FreeNames } from './free-names.ts'
import { Withheld } from './withheld.ts'

type NoteKind = 'carried' | 'changed' | 'left_out'

export interface Note {
  readonly kind: NoteKind
  /** In the foreign file. */
  readonly from: Path
  /** In ours; absent where nothing of it is there. */
  readonly to?: Path
  /** Empty for what was carried as it is. */
  readonly text: string
}

/** Something that only a person can do. */
export interface Errand {
  readonly text: string
  /** To run, if it is a command of this program, whose name is not part of it. */
  readonly command?: string
}

/** A key that the foreign file holds literally. */
interface LiteralKey {
  readonly name: string
  readonly from: Path
}

export type DraftConfig = RawConfig & {
  providers: Record<string, RawProvider>
  models: Record<string, RawModel>
}

/** How a source refers to environment variables in texts. */
export interface VariableForm {
  /** The name, where the whole text is one reference. */
  readonly whole: (text: string) => string | undefined
  /** References anywhere in a text, with the name as their first group that is not undefined; absent: there are none. */
  readonly within?: RegExp
  /**
   * Names that are taken for variables whether or not they are set; any other one has to be set, else its text stands for itself, as
   * a key like `$pass` does. Absent: all.
   */
  readonly unsetNames?: RegExp
}

export class Draft {
  readonly config: DraftConfig = { providers: named(), models: named() }
  notes: Note[] = []
  readonly #errands = new Map<string, Errand>()
  /** By the paths of their values in the foreign file. */
  readonly #literalKeys = new Map<string, LiteralKey>()
  readonly #secretNames = new FreeNames()
  /** Environment variables that the result refers to. */
  readonly variables = new Set<string>()
  /** Models of the source of which nothing could be carried. */
  readonly lostModels = new Set<string>()
  /** Variables that are not set, and without which something was left out. */
  readonly unsetVariables = new Set<string>()
  /** By provider: servers that a command starts. They are written commented out unless the operator asks for commands. */
  readonly services = new Map<string, RawService>()
  readonly groups: NonNullable<NonNullable<RawConfig['services']>['groups']> = named()
  /** Literal credentials of the source; nothing that contains one may be written. */
  readonly withheld = new Withheld()
  readonly env: NodeJS.ProcessEnv
  readonly #form: VariableForm
  /** Variables that the source sets itself: name → whether the value is a literal key. */
  readonly ownVariables = new Map<string, Foreign>()

  constructor(env: NodeJS.ProcessEnv, form: VariableForm) {
    this.env = env
    this.#form = form
  }

  carried(from: Foreign, to: Path): void {
    this.notes.push({ kind: 'carried', from: from.path, to, text: '' })
  }

  changed(from: Foreign, to: Path | undefined, text: string): void {
    this.notes.push({ kind: 'changed', from: from.path, ...(to !== undefined && { to }), text })
  }

  leftOut(from: Foreign, text: string, to?: Path): void {
    from.take()
    this.notes.push({ kind: 'left_out', from: from.path, ...(to !== undefined && { to }), text })
  }

  /** @param command to which the report adds the configuration file. */
  errand(text: string, command?: string): void {
    this.#errands.set(JSON.stringify([text, command]), { text, ...(command !== undefined && { command }) })
  }

  get errands(): readonly Errand[] {
    return [...this.#errands.values()]
  }

  get literalKeys(): readonly LiteralKey[] {
    return [...this.#literalKeys.values()]
  }

  /**
   * A text of the source in our notation: references to variables as `${NAME}`. Undefined, with a note, if it may hold a
   * credential, or refers to a variable that is not set.
   */
  text(from: Foreign, text = from.text()): string | undefined {
    if (text === undefined) return undefined
    if (looksLikeCredential(text)) {
      this.withheld.add(text)
      this.leftOut(from, 'it looks like a credential, which is never copied')
      return undefined
    }
    let unset: string | undefined
    const { within } = this.#form
    const name = this.#reference(text)
    const variable = (each: string) => {
      if ((this.env[each] ?? '') === '') unset = each
      return `\${${each}}`
    }
    const parts: string[] = []
    if (name !== undefined) parts.push(variable(name))
    else {
      let end = 0
      for (const match of within === undefined ? [] : text.matchAll(within)) {
        const reference = match.slice(1).find((each) => each !== undefined) ?? ''
        if (!this.#isVariable(reference)) continue
        parts.push(escaped(text.slice(end, match.index)), variable(reference))
        end = match.index + match[0].length
      }
      parts.push(escaped(text.slice(end)))
    }
    if (unset === undefined) return parts.join('')
    this.unsetVariables.add(unset)
    this.leftOut(from, 'it refers to an environment variable that is not set here: set it, and import again')
    return undefined
  }

  /** The variable that a whole text refers to. */
  #reference(text: string): string | undefined {
    const name = this.#form.whole(text)
    return name !== undefined && this.#isVariable(name) ? name : undefined
  }

  #isVariable(name: string): boolean {
    const { unsetNames } = this.#form
    return unsetNames === undefined || unsetNames.test(name) || (this.env[name] ?? '') !== ''
  }

  /** A text that becomes a name. */
  name(from: Foreign, text = from.text()): string | undefined {
    if (text === undefined || !looksLikeCredential(text)) return text
    this.withheld.add(text)
    this.leftOut(from, 'it looks like a credential, which is never copied')
    return undefined
  }

  /**
   * A reference to a key of the source, by its environment variable or by the name of a secret that is to be stored.
   * @param owner whose key it is, for the name of the secret.
   */
  key(from: Foreign, owner: string): RawSecret | undefined {
    const text = from.text()
    if (text === undefined || text.trim() === '') return undefined
    const name = this.#reference(text)
    if (name !== undefined) {
      const own = this.ownVariables.get(name)
      if (own === undefined || own.value === undefined) return this.variable(name)
      return this.literalKey(own, owner)
    }
    if (isPlaceholder(text)) {
      this.leftOut(from, 'it is a placeholder, for servers that ask for no key')
      return undefined
    }
    return this.literalKey(from, owner)
  }

  /** The headers of a provider, each as it is or, if it may be a credential, as a reference. */
  headers(members: Foreign, provider: string): void {
    for (const [name, value] of members.members()) {
      const isPlain = typeof value.value === 'string' && isPlainHeader(name, value.value)
      const carried = isPlain ? this.text(value) : this.key(value, `${provider}_${name}`)
      if (carried !== undefined) (this.config.providers[provider]!.headers ??= {})[name] = carried
    }
  }

  variable(name: string): RawSecret | undefined {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return undefined
    this.variables.add(name)
    return { env: name }
  }

  literalKey(from: Foreign, owner: string): RawSecret {
    const text = from.text() ?? ''
    this.withhold(text)
    const known = this.#literalKeys.get(String(from.path))
    if (known !== undefined) return { secret: known.name }
    const wanted = /_/.test(owner) ? owner : `${owner}_api_key`
    const name = this.#freeSecretName(wanted.replaceAll(/[^A-Za-z0-9_.-]/g, '_').slice(0, 80))
    this.#literalKeys.set(String(from.path), { name, from: from.path })
    return { secret: name }
  }

  /** Withholds every literal text of a document whose key names a credential. */
  withholdNamed(value: unknown, isNamed = false): void {
    if (typeof value === 'string') {
      if (isNamed && this.#reference(value) === undefined) this.withhold(value)
    } else if (Array.isArray(value)) {
      for (const item of value) this.withholdNamed(item, isNamed)
    } else if (isObject(value)) {
      for (const [key, member] of Object.entries(value)) this.withholdNamed(member, namesCredential(key))
    }
  }

  withhold(text: string): void {
    this.withheld.add(text)
    for (const part of text.split(/[\s,]+/)) this.withheld.add(part)
  }

  #freeSecretName(wanted: string): string {
    const base = /^[A-Za-z0-9_]/.test(wanted) ? wanted : `k${wanted}`
    return this.#secretNames.take(base, '_')
  }

  /** Limits of a model, which are made when they are first set. */
  limitsOf(model: string): NonNullable<NonNullable<RawConfig['rate_limit_settings']>['limits']>[string] {
    const settings = (this.config.rate_limit_settings ??= {})
    const limits = (settings.limits ??= named())
    return (limits[model] ??= {})
  }
}

/** `${` is a reference in our files. */
function escaped(text: string): string {
  return text.replaceAll('${', () => '$${')
}

/** Without a prototype: names come from the foreign file. */
function named<T>(): Record<string, T> {
  return Object.create(null) as Record<string, T>
}
