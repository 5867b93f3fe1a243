// `llm-gateway tunnel [user@]host`: a user unit that keeps the way to the gateway of another machine open.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hasIpv6Loopback } from '../platform/proc-net.ts'
import { printable } from '../platform/printable.ts'
import { replaceFile } from '../platform/replace-file.ts'
import { shellWord } from '../platform/shell-word.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { servicePaths } from '../systemd/scope.ts'
import {
  renderTunnel,
  type Tunnel,
  tunnelCommand,
  tunnelPorts,
  type TunnelPrograms,
  tunnelUnit,
} from '../systemd/tunnel-unit.ts'
import { startCommand } from '../systemd/units.ts'
import { readUnitState } from '../systemd/unit-state.ts'
import { parseDestination } from './deploy/destination.ts'
import { sessionOptions } from './deploy/ssh-version.ts'
import { diffLines } from './diff.ts'
import { describeListener, findListener, isListening } from './doctor/listening-program.ts'
import { ownCommand } from './invocation.ts'
import { type CommandIo, Output } from './output.ts'

export interface TunnelOptions {
  readonly action: 'install' | 'print' | 'remove' | 'status'
  /** Undefined: as installed, else 4000. */
  readonly port: number | undefined
  readonly remotePort: number | undefined
}

const usualPort = 4000

/** @returns the exit status: 0 when the tunnel is up, or what was asked for is done. */
export async function tunnelCommandLine(
  io: CommandIo,
  typed: string,
  { action, port, remotePort }: TunnelOptions,
  run: RunProgram,
): Promise<number> {
  const parsed = parseDestination(typed)
  if (parsed.kind === 'refused') {
    new Output(io.stderr, io.env).line(parsed.message)
    return 2
  }
  const { destination } = parsed
  const unit = tunnelUnit(destination)
  const path = join(servicePaths('user', io.env).unitDirectory, unit)
  const before = existsSync(path) ? readFileSync(path, 'utf8') : undefined
  const installed = before === undefined ? undefined : tunnelPorts(startCommand(before))
  const tunnel = {
    destination,
    port: port ?? installed?.port ?? usualPort,
    remotePort: remotePort ?? installed?.remotePort ?? usualPort,
    hasIpv6Loopback: hasIpv6Loopback(),
  }
  const programs = () => ({
    systemdVersion: managerVersion(run),
    // -N has the last word on the session.
    sshOptions: sessionOptions(io.env).filter((option) => !option.startsWith('SessionType=')),
  })
  const installation = new Installation(io, { tunnel, unit, path, before, programs }, run)
  switch (action) {
    case 'print':
      io.stdout.write(renderTunnel(tunnel, programs()))
      return 0
    case 'remove':
      return installation.remove()
    case 'status':
      return installation.status()
    case 'install':
      return installation.install()
    default:
      return action satisfies never
  }
}

/** 0: systemd is not there. */
function managerVersion(run: RunProgram): number {
  return Number(/^systemd (\d+)/.exec(run('systemctl', ['--version']).stdout)?.[1] ?? 0)
}

interface Place {
  readonly tunnel: Tunnel
  readonly unit: string
  readonly path: string
  /** The installed unit. */
  readonly before: string | undefined
  readonly programs: () => TunnelPrograms
}

class Installation {
  readonly #out: Output
  readonly #err: Output
  readonly #place: Place
  readonly #run: RunProgram
  /** How this program is called here. */
  readonly #program: string

  constructor(io: CommandIo, place: Place, run: RunProgram) {
    this.#out = new Output(io.stdout, io.env)
    this.#err = new Output(io.stderr, io.env)
    this.#place = place
    this.#run = run
    this.#program = ownCommand(io.env)
  }

  async install(): Promise<number> {
    const { tunnel, unit, path, before, programs } = this.#place
    const text = renderTunnel(tunnel, programs())
    if (this.#systemctl('show-environment') !== undefined) {
      const line = tunnelCommand(tunnel).map(shellWord).join(' ')
      this.#err.line(`No systemd user manager answers here. Without one, keep this running: ${line}`)
      return 1
    }
    const holder = this.#foreignHolder()
    if (holder !== undefined) {
      this.#err.line(
        `${holder}, so no tunnel can come up there. Choose another port: --port ${tunnel.port + 1}`,
      )
      return 1
    }
    if (before === text) this.#out.line(`unchanged  ${printable(path)}`)
    else {
      this.#out.line(`${before === undefined ? 'new       ' : 'changed   '} ${printable(path)}`)
      for (const line of before === undefined ? [] : diffLines(before, text))
        this.#out.line(`    ${printable(line)}`)
      mkdirSync(join(path, '..'), { recursive: true, mode: 0o755 })
      replaceFile(path, text, { mode: 0o644 })
    }
    const isUp = this.#systemctl('is-active', '--quiet', unit) === undefined
    // A start waits until ssh listens, or has ended.
    const start = isUp && before === text ? 'start' : 'restart'
    for (const step of [['daemon-reload'], ['enable', '--quiet', unit], [start, unit]]) {
      const failure = this.#systemctl(...step)
      if (failure === undefined) continue
      if (step[0] !== start) {
        this.#err.line(`systemctl --user ${step.join(' ')} failed: ${printable(failure.trim())}`)
        return 1
      }
      await this.#reportDown()
      this.#err.line('systemd goes on trying. To end that, run: ' + this.#command('--remove'))
      return 1
    }
    return this.#reportUp()
  }

  async status(): Promise<number> {
    const { unit, before } = this.#place
    if (before === undefined) {
      this.#err.line(
        `There is no tunnel to ${this.#place.tunnel.destination}. To have one, run: ${this.#command()}`,
      )
      return 1
    }
    const { ActiveState: state } = readUnitState(unit, ['ActiveState'], 'user', this.#run)
    if (state === 'active') return this.#reportUp()
    await this.#reportDown()
    return 1
  }

  remove(): number {
    const { unit, path, before, tunnel } = this.#place
    if (before === undefined) {
      this.#out.line(`There is no tunnel to ${tunnel.destination}.`)
      return 0
    }
    // Without its unit, an ssh that still runs would keep the port open unseen.
    const failure = this.#systemctl('disable', '--now', unit)
    if (failure !== undefined) {
      const command = `systemctl --user disable --now ${shellWord(unit)}`
      this.#err.line(`${command} failed: ${printable(failure.trim())}`)
      this.#err.line(`The tunnel may still be up; ${printable(path)} was not removed.`)
      return 1
    }
    // Fails unless the unit has failed.
    this.#systemctl('reset-failed', unit)
    rmSync(path)
    const unread = this.#systemctl('daemon-reload')
    if (unread !== undefined) {
      this.#err.line(`systemctl --user daemon-reload failed: ${printable(unread.trim())}`)
      return 1
    }
    this.#out.line(`removed  ${printable(path)}`)
    return 0
  }

  async #reportUp(): Promise<number> {
    const { destination, port, remotePort } = this.#place.tunnel
    const place = `http://127.0.0.1:${port}`
    const holder =
      this.#foreignHolder() ?? (this.#hasPort('127.0.0.1') ? undefined : `Nothing listens at ${place}`)
    if (holder !== undefined) {
      this.#err.line(
        `The unit runs, but is not what clients reach: ${holder}. Do not send calls there. To choose another port, run: ${this.#command(`--port ${port + 1}`)}`,
      )
      return 1
    }
    if (!(await isGatewayAt(port))) {
      this.#err.line(
        `The tunnel is up (${place}), and no gateway answers at its end, port ${remotePort} of ${destination}. Is it installed there? ${this.#program} deploy ${destination}`,
      )
      return 1
    }
    this.#out.line(`The tunnel is up: ${place}/v1 is the gateway of ${destination}.`)
    return 0
  }

  /** Who else listens where the tunnel is to be, as the beginning of a sentence. Undefined: nobody. */
  #foreignHolder(): string | undefined {
    const { port, hasIpv6Loopback: hasBoth } = this.#place.tunnel
    for (const host of ['127.0.0.1', ...(hasBoth ? ['::1'] : [])]) {
      if (isListening(host, port) && !this.#hasPort(host))
        return `Port ${port} of ${host} is taken by ${printable(describeListener(host, port))}`
    }
    return undefined
  }

  /** Whether the process of the unit listens there. */
  #hasPort(host: string): boolean {
    const { unit, tunnel } = this.#place
    const { MainPID: pid } = readUnitState(unit, ['MainPID'], 'user', this.#run)
    return pid !== undefined && pid !== '0' && findListener(host, tunnel.port) === Number(pid)
  }

  async #reportDown(): Promise<void> {
    const { unit, tunnel } = this.#place
    const reason = printable((await this.#lastWords()).join('; '))
    this.#err.line(`The tunnel to ${tunnel.destination} is down${reason === '' ? '' : `: ${reason}`}`)
    const hint = hints.find(([pattern]) => pattern.test(reason))?.[1]
    this.#err.line(
      hint ??
        `To see why, run: journalctl --user -u ${shellWord(unit)}; or try it: ssh ${tunnel.destination}`,
    )
  }

  /**
   * What ssh printed last. The journal has it a moment later, and lists it by its process: of one that ends soon, it does not
   * always know the unit.
   */
  async #lastWords(): Promise<string[]> {
    const { unit } = this.#place
    let before = ''
    for (let tries = 1; ; tries++) {
      const { ExecMainPID: pid = '0' } = readUnitState(unit, ['ExecMainPID'], 'user', this.#run)
      const which = tries < journalTries && pid !== '0' ? `_PID=${pid}` : `--user-unit=${unit}`
      const args = ['-q', '-t', 'ssh', '--since=-1h', '-n', '20', '-o', 'cat', which]
      const { stdout } = this.#run('journalctl', args)
      // Nothing new since the last look: it is whole.
      if ((stdout !== '' && stdout === before) || tries === journalTries) {
        // A changed host key comes in a frame of @.
        const lines = stdout.split('\n').filter((line) => line !== '' && !line.startsWith('@'))
        return lines.slice(-3)
      }
      before = stdout
      await sleep(200)
    }
  }

  #command(option = ''): string {
    return `${this.#program} tunnel ${this.#place.tunnel.destination}${option === '' ? '' : ` ${option}`}`
  }

  /** @returns the error message; undefined on success. */
  #systemctl(...args: string[]): string | undefined {
    const { status, stderr } = this.#run('systemctl', ['--user', ...args])
    return status === 0 ? undefined : stderr || `exit status ${status}`
  }
}

/** By what ssh prints last. */
const hints: readonly (readonly [RegExp, string])[] = [
  [
    /Permission denied/,
    'The unit cannot type a passphrase or a password. Use a key without a passphrase that may do nothing else there (docs/remote.md), or an agent that the user manager knows: systemctl --user import-environment SSH_AUTH_SOCK',
  ],
  [
    /Host key verification failed/,
    'The host key is unknown or another one than before. Connect once by hand and compare it: ssh shows both.',
  ],
  [
    /Address already in use|cannot listen to port|Could not request local forwarding/,
    'Another program of this machine has that port, perhaps a gateway. Choose another one: --port 4001',
  ],
]

const journalTries = 10
const healthTimeoutMs = 5_000
/** The first call after a start of the gateway's machine starts the gateway. */
const healthTries = 3

async function isGatewayAt(port: number): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    if (await isHealthy(port)) return true
    if (tries === healthTries) return false
    await sleep(500)
  }
}

function isHealthy(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(
      { host: '127.0.0.1', port, path: '/healthz', agent: false, timeout: healthTimeoutMs },
      (response) => {
        response.resume()
        resolve(response.statusCode === 200)
      },
    )
    request.once('timeout', () => request.destroy())
    request.once('error', () => resolve(false))
  })
}
