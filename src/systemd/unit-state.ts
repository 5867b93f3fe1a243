// Properties of a unit as its manager reports them: `systemctl show`.
import type { RunProgram } from './programs.ts'
import { type Scope, scopeOptions } from './scope.ts'

/** Values by property name; empty when the manager does not respond. */
export type UnitState = Readonly<Record<string, string>>

/** Several values of one property (`Listen`) are joined by newlines. A unit that does not exist has properties too. */
export function readUnitState(
  unit: string,
  properties: readonly string[],
  scope: Scope,
  run: RunProgram,
): UnitState {
  const args = [...scopeOptions(scope), 'show', unit, '--property', properties.join(',')]
  const { stdout } = run('systemctl', args)
  const state: Record<string, string> = {}
  for (const [, name = '', value = ''] of stdout.matchAll(/^(\w+)=(.*)$/gm)) {
    state[name] = name in state ? `${state[name]}\n${value}` : value
  }
  return state
}
