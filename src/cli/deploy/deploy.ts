// `llm-gateway deploy [user@]host`: the program, the configuration and keys onto another machine, over ssh. First everything is
// looked at and shown; then the program is copied beside the one that runs; then the box switches over, as a whole or not at all.
import { randomBytes } from 'node:crypto'
import { printable } from '../../platform/printable.ts'
import type { RunProgram } from '../../systemd/programs.ts'
import { resolveScope, servicePaths } from '../../systemd/scope.ts'
import { ask } from '../ask.ts'
import type { CredentialIo } from '../credential-set.ts'
import { ownCommand } from '../invocation.ts'
import { Output } from '../output.ts'
import { type BoxConfig, readBoxConfig } from './box-config.ts'
import { changeOf, programOf, releaseDirectory } from './box-files.ts'
import { doctorScript, keyScript, offerScript, switchScript } from './box-scripts.ts'
import { type Choice, chooseConfig, type ChosenConfig } from './choose-config.ts'
import { parseDestination } from './destination.ts'
import { copyProgram } from './copy-program.ts'
import { type KeyPlan, missingKeys, planKeys } from './keys.ts'
import { type PinnedNode, pinnedNode } from './node-package.ts'
import { Preview } from './preview.ts'
import { archiveProgram, type ProgramArchive } from './program-archive.ts'
import { examineSite, relayLines, type Site } from './site.ts'
import { SshConnection } from './ssh.ts'
import { rollbackRefusal } from './former.ts'
import { loginFailure } from './login-failure.ts'

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
    err.line(loginFailure(destination, opened.words))
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
    const there = installed.files.get(paths.configFile)
    const choice = await chooseConfig(there, this.#options.config, this.#io.env)
    if (choice.kind === 'refused') return this.#fail(choice.message)
    const { chosen } = choice
    const config = readBoxConfig(chosen.text)
    if (config === undefined)
      return this.#fail('The configuration is not valid YAML; validate-config shows where.')
    const node = pinnedNode(account.nodePackage)
    if (node === undefined) return this.#fail(`The lock file does not pin ${account.nodePackage}.`)
    const made = archiveProgram(node.integrity, this.#parts.run)
    if (made.kind === 'failed') return this.#fail(printableLines(made.message))
    const { archive } = made
    const keys = await this.#planKeys(config, choice)
    const release = releaseDirectory(paths.base, archive.id)
    const former = programOf(paths, installed)
    const isNewProgram = former !== release
    const version = `llm-gateway ${this.#parts.version}, ${archive.id}`
    const preview = new Preview(this.#out, this.#err, this.#site)
    const hasChanges = preview.show({ chosen, config, version, keys, release, isNewProgram })
    preview.warn(config, choice, keys)
    const missing = missingKeys(keys, { isFirst: former === undefined, isConfigKept: chosen.kind === 'kept' })
    if (hasChanges && missing.length > 0) {
      const places = printable(missing.join(', '))
      return this.#fail(
        `The gateway could not start on the box without ${places}; the warnings above have the commands.`,
        nothingChanged,
      )
    }
    if (!hasChanges) this.#out.line('The box has all of this already.')
    const agreed = await this.#mayChange(hasChanges)
    if (agreed !== undefined) return agreed
    if (hasChanges) {
      const failure = isNewProgram ? await this.#copy(archive, node) : undefined
      if (failure !== undefined) return this.#fail(failure, nothingChanged)
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
    const refusal = rollbackRefusal(this.#site)
    if (refusal !== undefined || previous === undefined) return this.#fail(refusal ?? '', nothingChanged)
    const now = programOf(paths, installed)
    const preview = new Preview(this.#out, this.#err, this.#site)
    if (now === previous)
      preview.line('unchanged', `${now} (the last deploy changed the configuration alone)`)
    else preview.line('changed', `${now ?? 'no program'} → ${previous}`)
    const present = installed.files.get(paths.configFile)
    if (before !== undefined && present !== undefined) {
      preview.showChange(changeOf({ path: paths.configFile, text: before }, installed))
    }
    preview.line('unchanged', `${paths.credentialsDirectory}/ (keys stay as they are)`)
    const agreed = await this.#mayChange(true)
    if (agreed !== undefined) return agreed
    const offered = await this.#site.run(
      offerScript,
      [previous, paths.base, paths.configFile, 'before', '0', paths.scope, this.#nextFile],
      { onLine: relayLines(this.#out, this.#err) },
    )
    if (offered.status !== 0) return this.#fail(this.#site.reasonOf(offered), nothingChanged)
    const status = await this.#switchTo(previous)
    if (status !== 0) return status
    return this.#conclude(previous, readBoxConfig(before ?? present ?? '')?.port ?? 4000)
  }

  async #planKeys(config: BoxConfig, { carried, configFile, own }: Choice): Promise<KeyPlan[]> {
    const { env } = this.#io
    return planKeys(config, this.#site.installed.keys, this.#options.isReplacingKeys, {
      env,
      paths: servicePaths(resolveScope(undefined, process.getuid?.() ?? 0), env),
      configFile,
      own,
      carried,
      run: this.#parts.run,
    })
  }

  get #nextFile(): string {
    return `${this.#site.paths.base}/next.${this.#token}.yaml`
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

  /** @returns why it failed. */
  #copy(archive: ProgramArchive, node: PinnedNode): Promise<string | undefined> {
    const parts = { io: this.#io, site: this.#site, run: this.#parts.run, token: this.#token }
    return copyProgram(parts, archive, node)
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
        paths.scope,
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
    const relay = relayLines(this.#out, this.#err)
    const switched = await this.#site.run(
      switchScript,
      [paths.scope, paths.base, release, former, paths.configFile, this.#nextFile],
      // `systemd install` does not know that a restart follows.
      { onLine: (line, stream) => isOvertaken(line) || relay(line, stream) },
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
    this.#out.line(`To use it from here:   ssh -N -L 127.0.0.1:${port}:localhost:${port} ${destination}`)
    const option = port === 4000 ? '' : ` --to ${port}`
    this.#out.line(`To keep a tunnel up:   ${ownCommand(this.#io.env)} tunnel ${destination}${option}`)
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

const isOvertaken = (line: string) => line.startsWith('The running service is unchanged.')

const nothingChanged = 'Nothing that runs there has changed.'
const notSwitched =
  'The box still runs what it ran before. Keys that were stored stay; deploy can be repeated.'

/** By the exit status of the script. */
const switchEnds: Readonly<Record<number, string>> = {
  1: 'It was installed, and does not run; the lines above have the reason. There is no version to go back to. Correct it and deploy again.',
  3: 'The new version did not run, and the box went back to the one before. The lines above have the reason.',
  5: 'The new version did not run, and the one before could not be started again. The lines above have the reasons. Correct them and deploy again.',
  4: 'The box could not begin to switch over; it still runs what it ran before.',
}
const switchLost =
  'The connection ended during the switch, which goes to its end on the box without it. Repeat the command to see what it runs.'

function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n')
}
