// Shows what a deploy would change on the box, and what will be missing there.
import { printable } from '../../platform/printable.ts'
import { shellWord } from '../../platform/shell-word.ts'
import type { Output } from '../output.ts'
import type { Choice, ChosenConfig } from './choose-config.ts'
import { changeOf, type FileChange, programOf, unitsFor } from './box-files.ts'
import { lossOfFormer } from './former.ts'
import type { KeyPlan } from './keys.ts'
import type { BoxConfig, KeyReference } from './box-config.ts'
import type { Site } from './site.ts'

interface Shown {
  readonly chosen: ChosenConfig
  readonly config: BoxConfig
  /** Of the program, for people. */
  readonly version: string
  readonly keys: readonly KeyPlan[]
  readonly release: string
  readonly isNewProgram: boolean
}

const styles = { new: 'green', changed: 'yellow', unchanged: 'dim' } as const

export class Preview {
  readonly #out: Output
  readonly #err: Output
  readonly #site: Site

  constructor(out: Output, err: Output, site: Site) {
    this.#out = out
    this.#err = err
    this.#site = site
  }

  line(kind: keyof typeof styles, text: string): void {
    this.#out.line(`${this.#out.styled(styles[kind], kind)}${' '.repeat(11 - kind.length)}${printable(text)}`)
  }

  /** Prints what would change. @returns whether anything would. */
  show({ chosen, config, version, keys, release, isNewProgram }: Shown): boolean {
    const { account, paths, installed, destination } = this.#site
    const what = paths.scope === 'user' ? `the service of ${account.user}` : 'the system-wide service'
    this.#out.line(`On ${destination}, ${printable(what)}:`)
    const former = programOf(paths, installed)
    const was = former === undefined || !isNewProgram ? '' : `; now ${former}`
    const word = isNewProgram ? (former === undefined ? 'new' : 'changed') : 'unchanged'
    this.line(word, `${release}/ (${version}${was})`)
    const files: FileChange[] = unitsFor(release, this.#site, config).map((unit) => changeOf(unit, installed))
    if (chosen.kind === 'kept') files.unshift({ kind: 'unchanged', path: paths.configFile })
    else files.unshift(changeOf({ path: paths.configFile, text: chosen.text }, installed))
    for (const change of files) this.showChange(change)
    if (chosen.kind === 'sent') {
      for (const { key, credential } of chosen.carried)
        this.#out.line(
          `           ${printable(key.place)} is the credential ${credential} there (${printable(chosen.from)} stays as it is)`,
        )
    }
    for (const plan of keys) this.#showKey(plan)
    return (
      isNewProgram ||
      files.some(({ kind }) => kind !== 'unchanged') ||
      keys.some(({ kind }) => kind === 'send')
    )
  }

  showChange(change: FileChange): void {
    this.line(change.kind, change.path)
    if (change.kind !== 'changed') return
    for (const line of change.diff) {
      const text = `    ${printable(line)}`
      const style = line.startsWith('+') ? 'green' : line.startsWith('-') ? 'red' : undefined
      this.#out.line(style === undefined ? text : this.#out.styled(style, text))
    }
  }

  #showKey(plan: KeyPlan): void {
    const { name, place, reference } = plan.key
    const credential = reference.credential ?? name
    if (plan.kind === 'send') {
      this.line('new', `key ${credential} (from ${plan.source} of this machine)`)
    } else if (plan.kind === 'kept') {
      this.line('unchanged', `key ${credential} (${place})`)
    }
  }

  /** What the box will lack, and how to change that. */
  warn(config: BoxConfig, { chosen, notHere }: Choice, keys: readonly KeyPlan[]): void {
    const { account, paths, destination } = this.#site
    const warning = (text: string) => this.#err.line(`${this.#err.styled('yellow', 'warning:')} ${text}`)
    const option = chosen.kind === 'sent' ? ` --config ${shellWord(chosen.from)}` : ''
    for (const plan of keys) {
      const { name, place, reference } = plan.key
      if (plan.kind === 'absent' && reference.optional !== true) {
        warning(
          `${printable(place)}: the key is neither here nor on the box: ${printable(plan.reason)}. Store it here (llm-gateway credential set ${printable(`${shellWord(name)}${option}`)}) and deploy again.`,
        )
      } else if (plan.kind === 'foreign' && reference.optional !== true) {
        warning(
          `${printable(place)}: the box lacks the key, and its configuration asks for it with a reference that ${printable(plan.configFile)} does not contain, so deploy does not look it up. Add the same reference there, or copy a configuration: --config FILE.`,
        )
      } else if (plan.kind === 'elsewhere') {
        warning(`${printable(place)} ${this.#whyNotCopied(plan.key, chosen, notHere.get(place))}`)
      }
    }
    const loss = lossOfFormer(this.#site)
    if (loss !== undefined) warning(loss)
    const { allowedUsers } = config
    const isLetIn = [account.user, 'any'].some((user) => allowedUsers.includes(user))
    if (paths.scope === 'system' && chosen.kind !== 'example' && !isLetIn) {
      warning(
        `access.allowed_users does not list ${printable(account.user)}, so that the gateway refuses what comes through that account's tunnel. Add it: access: { allowed_users: [${printable([...allowedUsers, account.user].join(', '))}] }`,
      )
    }
    if (paths.scope === 'user' && !account.isLingering) {
      warning(
        `The service stops when ${printable(account.user)} logs out of the box. To keep it running, run: ssh -t ${destination} sudo loginctl enable-linger ${printable(account.user)}`,
      )
    }
  }

  /** A predicate and what to do, for a reference without a credential. */
  #whyNotCopied({ reference }: KeyReference, chosen: ChosenConfig, notHere: string | undefined): string {
    const kinds = (['file', 'env', 'secret'] as const).filter((kind) => reference[kind] !== undefined)
    const refers = `refers to ${kinds.join(' or ')} only, and its key is not copied`
    const [kind = 'env'] = kinds
    const named = `{ credential: NAME, ${kind}: … }`
    if (notHere !== undefined) {
      return `${refers}: ${printable(notHere)}. Provide it here and deploy again, or on the box.`
    }
    if (chosen.kind === 'kept') {
      return `${refers}, since the box keeps its own configuration. Provide it on the box, or copy a configuration: --config FILE.`
    }
    return `${refers}: no credential could be named for it. Add one to the reference, as in ${named}.`
  }
}
