// Checks the systemd service: is it installed as this version would install it, enabled and in good order?
import { existsSync, readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { hasIpv6Loopback } from '../../platform/proc-net.ts'
import { unrecognized, unrecognizedUsers } from '../../config/check-users.ts'
import { readPartialConfig } from '../../config/partial-config.ts'
import type { RunProgram } from '../../systemd/programs.ts'
import { isLingering, type ServicePaths, serviceUnit, socketUnit, unitFile } from '../../systemd/scope.ts'
import { readUnitState, type UnitState } from '../../systemd/unit-state.ts'
import { renderServicesUnits, renderUnits, startCommand } from '../../systemd/units.ts'
import { shellWord } from '../../platform/shell-word.ts'
import { ownCommand } from '../invocation.ts'
import { examineProgram } from '../service-program.ts'
import type { Finding } from './finding.ts'

export interface ServiceReport {
  readonly findings: Finding[]
  /** Addresses, `HOST:PORT` or a path, that the manager holds for the stopped service. */
  readonly waitingSockets: readonly string[]
  /** Whether the manager's sockets are in use, in which case `server.unix_socket` is not. */
  readonly hasSockets: boolean
  /** The process of the running service. */
  readonly mainPid: number | undefined
}

/** @param config the configuration file that doctor examines. */
export function examineService(
  config: string,
  paths: ServicePaths,
  env: NodeJS.ProcessEnv,
  run: RunProgram,
): ServiceReport {
  const none = { waitingSockets: [], hasSockets: false, mainPid: undefined }
  const skipped = (detail: string, fix?: string) => ({
    findings: [{ subject: 'service', state: 'skipped' as const, detail, fix }],
    ...none,
  })
  const install = `${ownCommand(env)} systemd install${paths.scope === 'system' ? ' --system' : ''}`
  if (!existsSync(unitFile(paths, serviceUnit))) {
    return skipped(
      `the gateway is not installed as a ${scopeName(paths)} service`,
      `to install it: ${install}`,
    )
  }
  const units = examineUnits(config, paths, env, install)
  const wanted = [
    'ActiveState',
    'SubState',
    'Result',
    'UnitFileState',
    'StatusText',
    'NRestarts',
    'Listen',
    'NeedDaemonReload',
    'MainPID',
  ]
  const [socket, service] = [socketUnit, serviceUnit].map((unit) =>
    readUnitState(unit, wanted, paths.scope, run),
  ) as [UnitState, UnitState]
  if (socket['ActiveState'] === undefined) {
    const { findings } = skipped(`the systemd manager of the ${scopeName(paths)} does not respond`)
    return { findings: [...units, ...findings], ...none }
  }
  const hasSockets = socket['ActiveState'] === 'active'
  // 0: it is not running.
  const mainPid = Number(service['MainPID'] ?? 0)
  const isWaiting = hasSockets && service['ActiveState'] === 'inactive'
  return {
    findings: [...units, ...examineStates(socket, service, paths), ...examineLinger(paths)],
    waitingSockets: isWaiting ? listenAddresses(socket) : [],
    hasSockets,
    mainPid: mainPid > 0 ? mainPid : undefined,
  }
}

function scopeName({ scope }: ServicePaths): string {
  return scope === 'user' ? 'user' : 'system'
}

/** Whether the programs in the unit files exist, and the files are as this version writes them. */
function examineUnits(
  config: string,
  paths: ServicePaths,
  env: NodeJS.ProcessEnv,
  install: string,
): Finding[] {
  const read = (name: string) => readIfPresent(unitFile(paths, name))
  const command = startCommand(read(serviceUnit))
  const [node = '', main = ''] = command.filter((word) => !word.startsWith('-'))
  const used = command[command.indexOf('--config') + 1] ?? ''
  const again = `${install} --config ${shellWord(used)}`
  const missing = [node, main, used].find((path) => !existsSync(path))
  if (missing !== undefined) {
    return [
      {
        subject: 'units',
        state: 'fail',
        detail: `the service uses ${missing}, which does not exist`,
        fix: install,
      },
    ]
  }
  const findings: Finding[] = []
  if (used !== config) {
    const detail = `the service uses ${used}, not the file that is examined here`
    findings.push({
      subject: 'units',
      state: 'warn',
      detail,
      fix: `${ownCommand(env)} doctor --config ${shellWord(used)}`,
    })
  }
  const copy = examineProgram(paths)
  if (copy.kind === 'stale' && copy.program.main === main) {
    const detail = `the service runs ${copy.program.root}, which was made of another version than this one`
    findings.push({ subject: 'program', state: 'warn', detail, fix: again })
  }
  const partial = readPartialConfig(used, env)
  if (partial.kind === 'unreadable') return findings
  const { hosts, port, users, hasServices } = partial.config
  for (const name of paths.scope === 'user' ? unrecognizedUsers(users) : []) {
    const { message, hint } = unrecognized(name)
    findings.push({ subject: 'users', state: 'warn', detail: message, fix: hint })
  }
  const { stateDirectory: state, credentialsDirectory: credentials } = paths
  const available = hosts.filter((host) => !host.includes(':') || hasIpv6Loopback())
  const facts = { node, main, config: used, state, credentials, hosts: available, port }
  // Whether what starts model servers is there at all is a finding of its own.
  const ofServices = hasServices ? renderServicesUnits(paths.scope, facts) : []
  const expected = [...renderUnits(paths.scope, facts), ...ofServices.filter(({ name }) => read(name) !== '')]
  const outdated = expected.filter(({ name, text }) => read(name) !== text).map(({ name }) => name)
  if (outdated.length === 0)
    return [
      ...findings,
      { subject: 'units', state: 'ok', detail: `installed in ${dirname(unitFile(paths, serviceUnit))}` },
    ]
  const detail = `${outdated.join(' and ')}: ${outdated.length === 1 ? 'differs' : 'differ'} from what this version writes for the configuration`
  return [
    ...findings,
    {
      subject: 'units',
      state: 'warn',
      detail,
      fix: `${again} --dry-run   # shows the changes; without --dry-run it applies them`,
    },
  ]
}

function readIfPresent(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function examineStates(socket: UnitState, service: UnitState, paths: ServicePaths): Finding[] {
  const { systemctl } = paths
  const log = `${paths.journalctl} -n 50`
  const findings: Finding[] = []
  if (socket['NeedDaemonReload'] === 'yes' || service['NeedDaemonReload'] === 'yes') {
    const fix = `${systemctl} daemon-reload`
    findings.push({
      subject: 'manager',
      state: 'warn',
      detail: 'the unit files have changed since the manager read them',
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
          detail: `${socketUnit} is ${socket['UnitFileState'] || 'not enabled'}: it does not start at boot or login`,
          fix: `${systemctl} enable --now ${socketUnit}`,
        },
  )
  const failed = [
    [socketUnit, socket],
    [serviceUnit, service],
  ].filter(([, unit]) => (unit as UnitState)['ActiveState'] === 'failed') as [string, UnitState][]
  for (const [name, unit] of failed) {
    const reasons = [unit['Result'], unit['StatusText']].filter((text) => (text ?? '') !== '').join('; ')
    const fix = `${log}; then ${systemctl} reset-failed ${serviceUnit} ${socketUnit} && ${systemctl} start ${socketUnit}`
    findings.push({ subject: 'state', state: 'fail', detail: `${name} has failed (${reasons})`, fix })
  }
  if (failed.length === 0) findings.push(stateFinding(socket, service, systemctl))
  const restarts = Number(service['NRestarts'] ?? 0)
  if (restarts > 0) {
    const detail = `systemd has restarted the service ${restarts} ${restarts === 1 ? 'time' : 'times'} since it was started`
    findings.push({ subject: 'restarts', state: 'warn', detail, fix: log, figures: { restarts } })
  }
  return findings
}

function stateFinding(socket: UnitState, service: UnitState, systemctl: string): Finding {
  const subject = 'state'
  const status = (service['StatusText'] ?? '') === '' ? '' : `: ${service['StatusText']}`
  const state = service['ActiveState'] ?? 'unknown'
  if (socket['ActiveState'] === 'active') {
    const described = state === 'inactive' ? 'starts with the first call' : `is ${state}${status}`
    return { subject, state: 'ok', detail: `the socket is open, the service ${described}` }
  }
  if (state === 'active') {
    const detail = `the service is active without its socket, so a restart loses calls${status}`
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

function examineLinger({ scope }: ServicePaths): Finding[] {
  if (scope === 'system') return []
  const subject = 'lingering'
  if (isLingering()) return [{ subject, state: 'ok', detail: 'the service keeps running when you log out' }]
  const detail = 'the service, and any timer, stop when you log out'
  return [{ subject, state: 'warn', detail, fix: 'loginctl enable-linger' }]
}

/** From `Listen=127.0.0.1:4000 (Stream)`; IPv6 addresses have brackets. */
function listenAddresses(socket: UnitState): string[] {
  return (socket['Listen'] ?? '').split('\n').map((line) => line.replace(/ \(\w+\)$/, ''))
}
