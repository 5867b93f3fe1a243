// `llm-gateway systemd status`: what is installed, whether it runs, what it says of itself, and which keys it gets.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { listCredentials } from '../systemd/credentials.ts'
import type { RunProgram } from '../systemd/programs.ts'
import { type Places, serviceUnit, socketUnit } from '../systemd/scope.ts'
import { readUnitState, type UnitState } from '../systemd/unit-state.ts'
import { type CommandIo, Output, printable } from './output.ts'

/** The exit code: 0 when the socket or the service is active, else 1. */
export async function systemdStatusCommand(io: CommandIo, places: Places, run: RunProgram): Promise<number> {
  const out = new Output(io.stdout, io.env)
  const row = (label: string, text: string) => out.line(`${label.padEnd(12)} ${printable(text)}`)
  const units = [serviceUnit, socketUnit].map((unit) => join(places.unitDirectory, unit))
  const absent = units.filter((unit) => !existsSync(unit))
  row('units', absent.length === 0 ? units.join(', ') : `not there: ${absent.join(', ')}`)
  const wanted = ['ActiveState', 'SubState', 'Result', 'StatusText', 'NRestarts']
  const [socket, service] = [socketUnit, serviceUnit].map((unit) =>
    readUnitState(unit, wanted, places.scope, run),
  ) as [UnitState, UnitState]
  row('socket', stateOf(socket))
  row('service', stateOf(service))
  if ((service['StatusText'] ?? '') !== '') row('says', service['StatusText']!)
  row('restarts', service['NRestarts'] ?? 'unknown')
  row('config', places.configFile + (existsSync(places.configFile) ? '' : ' (not there)'))
  const keys = listCredentials(places.credentialsDirectory).map(({ name }) => name)
  row('credentials', keys.length === 0 ? 'none stored' : keys.join(', '))
  row('log', `journalctl ${places.scope === 'user' ? '--user ' : ''}-u llm-gateway`)
  return [socket, service].some((unit) => unit['ActiveState'] === 'active') ? 0 : 1
}

function stateOf(unit: UnitState): string {
  const {
    ActiveState: state = 'unknown (the manager does not answer)',
    SubState: detail,
    Result: result,
  } = unit
  const failure = result === undefined || result === 'success' ? '' : `, ${result}`
  return `${state}${detail === undefined ? '' : ` (${detail}${failure})`}`
}
