// `llm-gateway deploy [user@]host`: the program, the configuration and keys onto another machine, over ssh. First everything is
// looked at and shown; then the program is copied beside the one that runs; then the box switches over, as a whole or not at all.
import { randomBytes } from 'node:crypto'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { Transform } from 'node:stream'
import { findConfigFile, packagedConfigFile } from '../../config/find.ts'
import { printable } from '../../platform/printable.ts'
import type { RunProgram } from '../../systemd/programs.ts'
import { resolveScope, servicePaths } from '../../systemd/scope.ts'
import { ask } from '../ask.ts'
import type { CredentialIo } from '../credential-set.ts'
import { diffLines } from '../diff.ts'
import { Output } from '../output.ts'
import { type BoxConfig, readBoxConfig } from './box-config.ts'
import {
  changeOf,
  type FileChange,
  nodeHashFile,
  programOf,
  releaseDirectory,
  unitsFor,
} from './box-files.ts'
import {
  doctorScript,
  finishScript,
  keyScript,
  offerScript,
  stageScript,
  switchScript,
} from './box-scripts.ts'
import { parseDestination } from './destination.ts'
import { type KeyPlan, planKeys } from './keys.ts'
import { type PinnedNode, pinnedNode, provideNode } from './node-package.ts'
import { archiveProgram, type ProgramArchive } from './program-archive.ts'
import { examineSite, relayLines, type Site } from './site.ts'
import { SshConnection } from './ssh.ts'

export interface DeployOptions {
  readonly isForSystem: boolean
  readonly isDryRun: boolean
  /** Do not ask. */
  readonly isAgreed: boolean
  readonly isRollback: boolean
  /** Send keys that the box has, too. */
  readonly isReplacingKeys: boolean
  /** Undefined: the box's own stays, and a box without one gets this machine's. */
  readonly config: string | undefined
}

export interface DeployParts {
  readonly version: string
  readonly run: RunProgram
}

/** @returns the exit status: 0 when the box runs what was asked for and its doctor finds no failure. */
export async function deployCommand(
  io: CredentialIo,
  typed: string,
  options: DeployOptions,
  parts: DeployParts,
): Promise<number> {
  const err = new Output(io.stderr, io.env)
  const parsed = parseDestination(typed)
  if (parsed.kind === 'refused') {
    err.line(parsed.message)
    return 2
  }
  const { destination } = parsed
  const opened = await SshConnection.open(destination, io.env, (line) => err.line(printable(line)))
  if (opened.kind === 'absent') {
    err.line('There is no ssh on the PATH. Install OpenSSH (openssh-client).')
    return 1
  }
  if (opened.kind === 'failed') {
    err.line(
      `ssh could not log in to ${destination}; it has printed the reason. To try it, run: ssh ${destination}`,
    )
    return 1
  }
  const { connection } = opened
  try {
    const examined = await examineSite(connection, destination, options.isForSystem)
    if (examined.kind === 'refused') {
      err.line(examined.message)
      return 1
    }
    const deploy = new Deploy(io, examined.value, options, parts)
    return options.isRollback ? await deploy.rollBack() : await deploy.deploy()
  } finally {
    await connection.close()
  }
}

/** The configuration that the box is to run with. */
type ChosenConfig =
  /** Replaces the box's, or is its first. `from`: the file on this machine. */
  | { readonly kind: 'sent'; readonly text: string; readonly from: string }
  | { readonly kind: 'kept'; readonly text: string }
  /** The packaged example, which `systemd install` writes. */
  | { readonly kind: 'example'; readonly text: string }

class Deploy {
  readonly #io: CredentialIo
  readonly #out: Output
  readonly #err: Output
  readonly #site: Site
  readonly #options: DeployOptions
  readonly #parts: DeployParts
  /** Two deploys at once do not meet. */
  readonly #token = randomBytes(8).toString('hex')

  constructor(io: CredentialIo, site: Site, options: DeployOptions, parts: DeployParts) {
    this.#io = io
    this.#out = new Output(io.stdout, io.env)
    this.#err = new Output(io.stderr, io.env)
    this.#site = site
    this.#options = options
    this.#parts = parts
  }

  async deploy(): Promise<number> {
    const { account, paths, installed } = this.#site
    const chosen = this.#chooseConfig()
    if (chosen === undefined) return 1
    const config = readBoxConfig(chosen.text)
    if (config === undefined)
      return this.#fail('The configuration is not valid YAML; validate-config shows where.')
    const node = pinnedNode(account.nodePackage)
    if (node === undefined) return this.#fail(`The lock file does not pin ${account.nodePackage}.`)
    const made = archiveProgram(node.integrity, this.#parts.run)
    if (made.kind === 'failed') return this.#fail(printableLines(made.message))
    const { archive } = made
    const keys = await this.#planKeys(config)
    const release = releaseDirectory(paths.base, archive.id)
    const isNewProgram = programOf(paths, installed) !== release
    const hasChanges = this.#show({ chosen, config, archive, keys, release, isNewProgram })
    this.#warn(config, chosen, keys)
    if (!hasChanges) this.#out.line('The box has all of this already.')
    const agreed = await this.#mayChange(hasChanges)
    if (agreed !== undefined) return agreed
    if (hasChanges) {
      if (isNewProgram && !(await this.#copyProgram(archive, node))) return 1
      if (!(await this.#offer(release, chosen))) return 1
      if (!(await this.#sendKeys(keys, release, chosen))) return 1
      const status = await this.#switchTo(release)
      if (status !== 0) return status
    }
    return this.#conclude(release, config.port)
  }

  async rollBack(): Promise<number> {
    const { paths, installed } = this.#site
    const { previous } = installed
    const before = installed.files.get(`${paths.base}/before.yaml`)
    if (previous === undefined) {
      return this.#fail('The box has no version before this one: nothing was deployed twice.')
    }
    const now = programOf(paths, installed)
    this.#out.line(`${this.#changed} ${printable(now ?? 'no program')} → ${printable(previous)}`)
    const present = installed.files.get(paths.configFile)
    if (before !== undefined && present !== undefined && before !== present) {
      this.#showChange({ kind: 'changed', path: paths.configFile, diff: diffLines(present, before) })
    }
    this.#out.line(`${this.#unchanged} ${printable(paths.credentialsDirectory)}/ (keys stay as they are)`)
    const agreed = await this.#mayChange(true)
    if (agreed !== undefined) return agreed
    const offered = await this.#site.run(
      offerScript,
      [previous, paths.base, paths.configFile, 'before', '0', this.#configMode, this.#nextFile],
      { onLine: relayLines(this.#out, this.#err) },
    )
    if (offered.status !== 0) return this.#fail(this.#site.reasonOf(offered), nothingChanged)
    const status = await this.#switchTo(previous)
    if (status !== 0) return status
    return this.#conclude(previous, readBoxConfig(before ?? present ?? '')?.port ?? 4000)
  }

  /** Undefined: there is none, and the reason is printed. */
  #chooseConfig(): ChosenConfig | undefined {
    const { paths, installed } = this.#site
    const { config } = this.#options
    const there = installed.files.get(paths.configFile)
    if (config === undefined && there !== undefined) return { kind: 'kept', text: there }
    const file = findConfigFile(config, this.#io.env)
    try {
      const text = readFileSync(file, 'utf8')
      if (config === undefined && file === packagedConfigFile()) return { kind: 'example', text }
      return text === there ? { kind: 'kept', text } : { kind: 'sent', text, from: file }
    } catch (error) {
      const { code = 'unknown error' } = error as NodeJS.ErrnoException
      this.#err.line(`${printable(file)} cannot be read (${code}). Name a configuration with --config FILE.`)
      return undefined
    }
  }

  async #planKeys(config: BoxConfig): Promise<KeyPlan[]> {
    const { env } = this.#io
    return planKeys(config, this.#site.installed.keys, this.#options.isReplacingKeys, {
      env,
      paths: servicePaths(resolveScope(undefined, process.getuid?.() ?? 0), env),
      configFile: findConfigFile(this.#options.config, env),
      run: this.#parts.run,
    })
  }

  get #changed(): string {
    return `${this.#out.styled('yellow', 'changed')}   `
  }

  get #new(): string {
    return `${this.#out.styled('green', 'new')}       `
  }

  get #unchanged(): string {
    return `${this.#out.styled('dim', 'unchanged')} `
  }

  get #nextFile(): string {
    return `${this.#site.paths.base}/next.${this.#token}.yaml`
  }

  get #configMode(): string {
    return this.#site.paths.scope === 'user' ? '600' : '644'
  }

  /** Prints what would change. @returns whether anything would. */
  #show({ chosen, config, archive, keys, release, isNewProgram }: Shown): boolean {
    const { account, paths, installed, destination } = this.#site
    const what = paths.scope === 'user' ? `the service of ${account.user}` : 'the system-wide service'
    this.#out.line(`On ${destination}, ${printable(what)}:`)
    const former = programOf(paths, installed)
    const version = `llm-gateway ${this.#parts.version}, ${archive.id}`
    if (!isNewProgram) this.#out.line(`${this.#unchanged} ${printable(release)}/ (${version})`)
    else {
      const was = former === undefined ? '' : `; now ${former}`
      const word = former === undefined ? this.#new : this.#changed
      this.#out.line(`${word} ${printable(release)}/ (${version}${printable(was)})`)
    }
    const files: FileChange[] = unitsFor(release, this.#site, config).map((unit) => changeOf(unit, installed))
    if (chosen.kind === 'kept') files.unshift({ kind: 'unchanged', path: paths.configFile })
    else files.unshift(changeOf({ path: paths.configFile, text: chosen.text }, installed))
    for (const change of files) this.#showChange(change)
    for (const plan of keys) this.#showKey(plan)
    return (
      isNewProgram ||
      files.some(({ kind }) => kind !== 'unchanged') ||
      keys.some(({ kind }) => kind === 'send')
    )
  }

  #showChange(change: FileChange): void {
    const word = { new: this.#new, changed: this.#changed, unchanged: this.#unchanged }[change.kind]
    this.#out.line(`${word} ${printable(change.path)}`)
    if (change.kind !== 'changed') return
    for (const line of change.diff) {
      const text = `    ${printable(line)}`
      const style = line.startsWith('+') ? 'green' : line.startsWith('-') ? 'red' : undefined
      this.#out.line(style === undefined ? text : this.#out.styled(style, text))
    }
  }

  #showKey(plan: KeyPlan): void {
    const { name, place, reference } = plan.key
    const credential = printable(reference.credential ?? name)
    if (plan.kind === 'send') {
      this.#out.line(`${this.#new} key ${credential} (from ${printable(plan.source)} of this machine)`)
    } else if (plan.kind === 'kept') {
      this.#out.line(`${this.#unchanged} key ${credential} (${printable(place)})`)
    }
  }

  /** What the box will lack, and how to change that. */
  #warn(config: BoxConfig, chosen: ChosenConfig, keys: readonly KeyPlan[]): void {
    const { account, paths, destination } = this.#site
    const warning = (text: string) => this.#err.line(`${this.#err.styled('yellow', 'warning:')} ${text}`)
    for (const plan of keys) {
      const { name, place, reference } = plan.key
      if (plan.kind === 'absent' && reference.optional !== true) {
        warning(
          `${printable(place)}: the key is neither here nor on the box: ${printable(plan.reason)}. Store it here (llm-gateway credential set ${printable(name)}) and deploy again.`,
        )
      } else if (plan.kind === 'elsewhere') {
        const kinds = (['file', 'env', 'secret'] as const).filter((kind) => reference[kind] !== undefined)
        warning(
          `${printable(place)} refers to ${kinds.join(' or ')} only, which deploy does not copy. To have the key copied, add a credential to it, as in { credential: NAME, ${kinds[0] ?? 'env'}: … }.`,
        )
      }
    }
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

  /** @returns the exit status with which to stop; undefined: go on. */
  async #mayChange(hasChanges: boolean): Promise<number | undefined> {
    const { isDryRun, isAgreed } = this.#options
    if (isDryRun) {
      this.#out.line('Nothing was changed (--dry-run).')
      return 0
    }
    if (!hasChanges || isAgreed) return undefined
    const answer = await ask(this.#io, 'Change this on the box? (y/N) ')
    if (answer === undefined) {
      return this.#fail('Nobody is at a terminal to be asked. To change it without a question, add --yes.')
    }
    if (/^y(es)?$/i.test(answer)) return undefined
    this.#out.line('Nothing was changed.')
    return 1
  }

  async #copyProgram(archive: ProgramArchive, node: PinnedNode): Promise<boolean> {
    const { paths, installed, account } = this.#site
    const { base } = paths
    const isNodeThere = installed.files.get(nodeHashFile(base, account.nodePackage)) === node.integrity
    const neededKiB = archive.sizeKiB + (isNodeThere ? 0 : nodeKiB) + spareKiB
    if (installed.freeKiB !== undefined && installed.freeKiB < neededKiB) {
      this.#fail(
        `The disk of the box is too full for ${base}: ${inMb(installed.freeKiB)} are free, and ${inMb(neededKiB)} are needed.`,
        nothingChanged,
      )
      return false
    }
    let nodeFile: string | undefined
    if (!isNodeThere) {
      const found = await provideNode(node, this.#io.env, this.#parts.run)
      if (found.kind === 'refused') {
        this.#fail(found.message, nothingChanged)
        return false
      }
      nodeFile = found.file
    }
    this.#out.line(`Copying the program (${inMb(archive.bytes.length / 1024)}) …`)
    const staged = await this.#site.run(stageScript, [base, this.#token], { input: archive.bytes })
    if (staged.status !== 0) {
      this.#fail(this.#site.reasonOf(staged), nothingChanged)
      return false
    }
    const args = [base, this.#token, archive.id, node.name, node.integrity, node.version]
    const finished =
      nodeFile === undefined
        ? await this.#site.run(finishScript, [...args, 'link'])
        : await this.#site.run(finishScript, [...args, 'send'], { input: this.#nodeStream(nodeFile, node) })
    if (finished.status === 0) return true
    this.#fail(this.#site.reasonOf(finished), nothingChanged)
    return false
  }

  #nodeStream(file: string, { version }: PinnedNode): Transform {
    const { size } = statSync(file)
    const { stdout } = this.#io
    const label = `Copying Node ${version}`
    if (stdout.isTTY !== true) this.#out.line(`${label} (${inMb(size / 1024)}) …`)
    let sent = 0
    let shown = -1
    const counter = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        sent += chunk.length
        const percent = Math.floor((sent / size) * 100)
        if (stdout.isTTY === true && percent !== shown) {
          stdout.write(`\r${label} (${inMb(size / 1024)}): ${percent} %${percent === 100 ? '\n' : ''}`)
          shown = percent
        }
        done(undefined, chunk)
      },
    })
    return createReadStream(file).pipe(counter)
  }

  /** @returns whether the configuration is there and the new program accepts it. */
  async #offer(release: string, chosen: ChosenConfig): Promise<boolean> {
    const { paths } = this.#site
    const input = Buffer.from(chosen.kind === 'sent' ? chosen.text : '')
    const offered = await this.#site.run(
      offerScript,
      [
        release,
        paths.base,
        paths.configFile,
        chosen.kind === 'sent' ? 'send' : 'keep',
        String(input.length),
        this.#configMode,
        this.#nextFile,
      ],
      { input, onLine: relayLines(this.#out, this.#err) },
    )
    if (offered.status === 0) return true
    this.#fail(
      offered.status === 1
        ? 'The box does not accept the configuration; the lines above have the reason.'
        : this.#site.reasonOf(offered),
      nothingChanged,
    )
    return false
  }

  async #sendKeys(keys: readonly KeyPlan[], release: string, chosen: ChosenConfig): Promise<boolean> {
    const { paths } = this.#site
    const config = chosen.kind === 'sent' ? this.#nextFile : paths.configFile
    for (const plan of keys) {
      if (plan.kind !== 'send') continue
      const { name } = plan.key
      const stored = await this.#site.run(keyScript, [release, paths.scope, name, config], {
        secret: plan.reveal(),
      })
      if (stored.status !== 0) {
        this.#fail(
          `The key of ${printable(name)} was not stored. ${this.#site.reasonOf(stored)}`,
          notSwitched,
        )
        return false
      }
      const first = stored.stdout
        .toString()
        .split('\n')
        .find((line) => line.startsWith('Stored '))
      this.#out.line(printable(first ?? `Stored the key of ${name}.`))
    }
    return true
  }

  /** @returns the exit status: 0 when the box runs it. */
  async #switchTo(release: string): Promise<number> {
    const { paths, installed } = this.#site
    this.#out.line('Switching over: units, configuration, restart …')
    const former = programOf(paths, installed) ?? ''
    const switched = await this.#site.run(
      switchScript,
      [paths.scope, paths.base, release, former, paths.configFile, this.#nextFile],
      { onLine: relayLines(this.#out, this.#err) },
    )
    if (switched.status === 0) return 0
    return this.#fail(switchEnds[switched.status ?? 0] ?? switchLost)
  }

  async #conclude(release: string, port: number): Promise<number> {
    const { paths, destination } = this.#site
    this.#out.line(`The box runs ${printable(release)}. Its doctor:`)
    const { status } = await this.#site.run(doctorScript, [release, paths.scope, paths.configFile], {
      onLine: relayLines(this.#out, this.#err),
    })
    this.#out.line(`To use it from here:   ssh -N -L localhost:${port}:localhost:${port} ${destination}`)
    const option = port === 4000 ? '' : ` --to ${port}`
    this.#out.line(`To keep a tunnel up:   llm-gateway tunnel ${destination}${option}`)
    this.#out.line(`Its own commands are there: ${printable(paths.base)}/current/bin/llm-gateway`)
    if (status === 0) return 0
    return this.#fail(
      status === undefined
        ? `The connection to ${destination} has ended before its doctor did.`
        : 'It was deployed, and its doctor reports a failure.',
    )
  }

  #fail(...sentences: string[]): number {
    for (const sentence of sentences) this.#err.line(sentence)
    return 1
  }
}

interface Shown {
  readonly chosen: ChosenConfig
  readonly config: BoxConfig
  readonly archive: ProgramArchive
  readonly keys: readonly KeyPlan[]
  readonly release: string
  readonly isNewProgram: boolean
}

/** Unpacked, with some room for another version. */
const nodeKiB = 180_000
const spareKiB = 10_000

const nothingChanged = 'Nothing that runs there has changed.'
const notSwitched =
  'The box still runs what it ran before. Keys that were stored stay; deploy can be repeated.'

/** By the exit status of the script. */
const switchEnds: Readonly<Record<number, string>> = {
  1: 'It was installed, and does not run; the lines above have the reason. There is no version to go back to. Correct it and deploy again.',
  3: 'The new version did not run, and the box went back to the one before. The lines above have the reason.',
  4: 'The box could not begin to switch over; it still runs what it ran before.',
}
const switchLost =
  'The connection ended during the switch, which goes to its end on the box without it. Repeat the command to see what it runs.'

function inMb(kiB: number): string {
  const mb = (kiB * 1024) / 1_000_000
  return `${mb < 10 ? mb.toFixed(1) : Math.round(mb)} MB`
}

function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}
