// What the manager says of a unit: `systemctl show`.
import type { RunProgram } from './programs.ts'
import type { Scope } from './scope.ts'

/** Names of properties and their values; empty when the manager does not answer. */
export type UnitState = Readonly<Record<string, string>>

/** A property that has several values (`Listen`) has them joined by newlines. A unit that is not there has a state too. */
export function readUnitState(
  unit: string,
  properties: readonly string[],
  scope: Scope,
  run: RunProgram,
): UnitState {
  const manager = scope === 'user' ? ['--user'] : []
  const { stdout } = run('systemctl', [...manager, 'show', unit, '--property', properties.join(',')])
  const state: Record<string, string> = {}
  for (const [, name = '', value = ''] of stdout.matchAll(/^(\w+)=(.*)$/gm)) {
    state[name] = name in state ? `${state[name]}\n${value}` : value
  }
  return state
}
