// The systemd service: whether it is installed, as this version would install it, enabled and well.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readPartialConfig } from '../../config/partial-config.ts'
import type { RunProgram } from '../../systemd/programs.ts'
import { type Places, serviceUnit, socketUnit } from '../../systemd/scope.ts'
import { readUnitState, type UnitState } from '../../systemd/unit-state.ts'
import { renderUnits, startCommand } from '../../systemd/units.ts'
import { hasIpv6, isLingering } from '../systemd-install.ts'
import { shellWord } from '../../shell-word.ts'
import { ownCommand } from '../own-command.ts'
import type { Finding } from './finding.ts'

export interface ExaminedService {
  readonly findings: Finding[]
  /** Addresses, `HOST:PORT` or a path, that the manager holds while the service does not run. */
  readonly waitingSockets: readonly string[]
  /** True when the manager's sockets are in use, so that `server.unix_socket` is not. */
  readonly hasSockets: boolean
}

/** @param config the file that is examined. */
export function examineService(
  config: string,
  places: Places,
  env: NodeJS.ProcessEnv,
  run: RunProgram,
): ExaminedService {
  const none = { waitingSockets: [], hasSockets: false }
  const skipped = (detail: string, fix?: string) => ({
    findings: [{ subject: 'service', state: 'skipped' as const, detail, fix }],
    ...none,
  })
  const install = `${ownCommand(env)} systemd install${places.scope === 'system' ? ' --system' : ''}`
  if (!existsSync(join(places.unitDirectory, serviceUnit))) {
    return skipped(
      `the gateway is not installed as a service of this ${kindOf(places)}`,
      `to install it: ${install}`,
    )
  }
  const units = examineUnits(config, places, env, install)
  const wanted = [
    'ActiveState',
    'SubState',
    'Result',
    'UnitFileState',
    'StatusText',
    'NRestarts',
    'Listen',
    'NeedDaemonReload',
  ]
  const [socket, service] = [socketUnit, serviceUnit].map((unit) =>
    readUnitState(unit, wanted, places.scope, run),
  ) as [UnitState, UnitState]
  if (socket['ActiveState'] === undefined) {
    const { findings } = skipped(`the ${kindOf(places)}'s systemd manager does not answer`)
    return { findings: [...units, ...findings], ...none }
  }
  const hasSockets = socket['ActiveState'] === 'active'
  const isWaiting = hasSockets && service['ActiveState'] === 'inactive'
  return {
    findings: [...units, ...examineStates(socket, service, places), ...examineLinger(places)],
    waitingSockets: isWaiting ? listenAddresses(socket) : [],
    hasSockets,
  }
}

function kindOf({ scope }: Places): string {
  return scope === 'user' ? 'user' : 'machine'
}

/** The unit files: what they run is there, and they are what this version writes for the examined configuration. */
function examineUnits(config: string, places: Places, env: NodeJS.ProcessEnv, install: string): Finding[] {
  const read = (name: string) => readIfThere(join(places.unitDirectory, name))
  const command = startCommand(read(serviceUnit))
  const [node = '', main = ''] = command.filter((word) => !word.startsWith('-'))
  const used = command[command.indexOf('--config') + 1] ?? ''
  const again = `${install} --config ${shellWord(used)}`
  const gone = [node, main, used].find((path) => !existsSync(path))
  if (gone !== undefined) {
    return [
      {
        subject: 'units',
        state: 'fail',
        detail: `the service runs ${gone}, which is not there`,
        fix: install,
      },
    ]
  }
  const findings: Finding[] = []
  if (used !== config) {
    const detail = `the service uses ${used}, which is not the file examined here`
    findings.push({
      subject: 'units',
      state: 'warn',
      detail,
      fix: `${ownCommand(env)} doctor --config ${shellWord(used)}`,
    })
  }
  const outline = readPartialConfig(used, env)
  if (outline.kind === 'unreadable') return findings
  const { hosts, port } = outline.config
  const { stateDirectory: state, credentialsDirectory: credentials } = places
  const reachable = hosts.filter((host) => !host.includes(':') || hasIpv6())
  const expected = renderUnits(places.scope, {
    node,
    main,
    config: used,
    state,
    credentials,
    hosts: reachable,
    port,
  })
  const old = expected.filter(({ name, text }) => read(name) !== text).map(({ name }) => name)
  if (old.length === 0)
    return [...findings, { subject: 'units', state: 'ok', detail: `installed in ${places.unitDirectory}` }]
  const detail = `${old.join(' and ')} differ from what this version writes for the configuration`
  return [
    ...findings,
    {
      subject: 'units',
      state: 'warn',
      detail,
      fix: `${again} --dry-run   # shows how; without --dry-run: applies it`,
    },
  ]
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function examineStates(socket: UnitState, service: UnitState, places: Places): Finding[] {
  const { systemctl } = places
  const log = `journalctl ${places.scope === 'user' ? '--user ' : ''}-u llm-gateway -n 50`
  const findings: Finding[] = []
  if (socket['NeedDaemonReload'] === 'yes' || service['NeedDaemonReload'] === 'yes') {
    const fix = `${systemctl} daemon-reload`
    findings.push({
      subject: 'manager',
      state: 'warn',
      detail: 'it has not read the unit files since they changed',
      fix,
    })
  }
  const isEnabled = socket['UnitFileState'] === 'enabled'
  findings.push(
    isEnabled
      ? { subject: 'enabled', state: 'ok', detail: `${socketUnit} is enabled` }
      : {
          subject: 'enabled',
          state: 'warn',
          detail: `${socketUnit} is ${socket['UnitFileState'] || 'not enabled'}: it does not start by itself`,
          fix: `${systemctl} enable --now ${socketUnit}`,
        },
  )
  const failed = [
    [socketUnit, socket],
    [serviceUnit, service],
  ].filter(([, unit]) => (unit as UnitState)['ActiveState'] === 'failed') as [string, UnitState][]
  for (const [name, unit] of failed) {
    const why = [unit['Result'], unit['StatusText']].filter((text) => (text ?? '') !== '').join('; ')
    const fix = `${log}; then ${systemctl} reset-failed ${serviceUnit} ${socketUnit} && ${systemctl} start ${socketUnit}`
    findings.push({ subject: 'state', state: 'fail', detail: `${name} has failed (${why})`, fix })
  }
  if (failed.length === 0) findings.push(stateFinding(socket, service, systemctl))
  const restarts = Number(service['NRestarts'] ?? 0)
  if (restarts > 0) {
    const detail = `systemd has restarted the service ${restarts} times since it was started`
    findings.push({ subject: 'restarts', state: 'warn', detail, fix: log, figures: { restarts } })
  }
  return findings
}

function stateFinding(socket: UnitState, service: UnitState, systemctl: string): Finding {
  const subject = 'state'
  const says = (service['StatusText'] ?? '') === '' ? '' : `: ${service['StatusText']}`
  const state = service['ActiveState'] ?? 'unknown'
  if (socket['ActiveState'] === 'active') {
    const runs = state === 'inactive' ? 'the first call starts it' : `${state}${says}`
    return {
      subject,
      state: 'ok',
      detail: `the socket is open, the service ${state === 'inactive' ? 'waits: ' : 'is '}${runs}`,
    }
  }
  if (state === 'active') {
    const detail = `the service is active without its socket, so that a restart loses calls${says}`
    return {
      subject,
      state: 'warn',
      detail,
      fix: `${systemctl} stop llm-gateway && ${systemctl} start ${socketUnit}`,
    }
  }
  return {
    subject,
    state: 'fail',
    detail: 'neither the socket nor the service is active',
    fix: `${systemctl} start ${socketUnit}`,
  }
}

function examineLinger({ scope }: Places): Finding[] {
  if (scope === 'system') return []
  const subject = 'lingering'
  if (isLingering()) return [{ subject, state: 'ok', detail: 'the service stays when you log out' }]
  const detail = 'the service, and a timer, end with your last session'
  return [{ subject, state: 'warn', detail, fix: 'loginctl enable-linger' }]
}

/** `Listen=127.0.0.1:4000 (Stream)`; `[::1]:4000` has its brackets. */
function listenAddresses(socket: UnitState): string[] {
  return (socket['Listen'] ?? '').split('\n').map((line) => line.replace(/ \(\w+\)$/, ''))
}
