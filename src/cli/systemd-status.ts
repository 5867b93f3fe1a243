// `llm-gateway systemd status`: what is installed, whether it is running, its own status, and which keys are stored.
import { existsSync } from 'node:fs'
import { listCredentials } from '../systemd/credentials.ts'
import type { RunProgram } from '../systemd/programs.ts'
import {
  type ServicePaths,
  servicesSocket,
  serviceUnit,
  servicesUnit,
  socketUnit,
  unitFile,
} from '../systemd/scope.ts'
import { readUnitState, type UnitState } from '../systemd/unit-state.ts'
import { type CommandIo, Output } from './output.ts'
import { printable } from '../platform/printable.ts'

/** @returns the exit status: 0 when the socket or the service is active, else 1. */
export async function systemdStatusCommand(
  io: CommandIo,
  paths: ServicePaths,
  run: RunProgram,
): Promise<number> {
  const out = new Output(io.stdout, io.env)
  const row = (label: string, text: string) => out.line(`${label.padEnd(12)} ${printable(text)}`)
  const units = [serviceUnit, socketUnit].map((unit) => unitFile(paths, unit))
  const missing = units.filter((unit) => !existsSync(unit))
  row('units', missing.length === 0 ? units.join(', ') : `missing: ${missing.join(', ')}`)
  const properties = ['ActiveState', 'SubState', 'Result', 'StatusText', 'NRestarts']
  const [socket, service] = [socketUnit, serviceUnit].map((unit) =>
    readUnitState(unit, properties, paths.scope, run),
  ) as [UnitState, UnitState]
  row('socket', formatState(socket))
  row('service', formatState(service))
  const hasStarter = existsSync(unitFile(paths, servicesUnit))
  if (hasStarter) {
    const states = [servicesSocket, servicesUnit].map((unit) =>
      formatState(readUnitState(unit, properties, paths.scope, run)),
    )
    row('services', `socket ${states[0]}, starter ${states[1]}`)
  }
  if ((service['StatusText'] ?? '') !== '') row('status', service['StatusText']!)
  row('restarts', service['NRestarts'] ?? 'unknown')
  row('config', paths.configFile + (existsSync(paths.configFile) ? '' : ' (missing)'))
  const keys = listCredentials(paths.credentialsDirectory).map(({ name }) => name)
  row('credentials', keys.length === 0 ? 'none stored' : keys.join(', '))
  row('log', paths.journalctl)
  return [socket, service].some((unit) => unit['ActiveState'] === 'active') ? 0 : 1
}

function formatState(unit: UnitState): string {
  const {
    ActiveState: state = 'unknown (the systemd manager does not respond)',
    SubState: detail,
    Result: result,
  } = unit
  const failure = result === undefined || result === 'success' ? '' : `, ${result}`
  return `${state}${detail === undefined ? '' : ` (${detail}${failure})`}`
}
