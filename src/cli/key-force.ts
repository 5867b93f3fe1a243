// Whether the gateway has the key file in force, for people.
import { printable } from '../platform/printable.ts'
import { momentText } from './key-description.ts'
import { findGateway, type KeyPlace, reportedKeys } from './key-place.ts'

interface Force {
  /** False where a gateway runs that has other keys than the file. */
  readonly isAsInFile: boolean
  readonly text: string
}

/** @param generation of the file. */
export function describeForce(place: KeyPlace, generation: number, env: NodeJS.ProcessEnv): Force {
  if (place.mode === 'off') return { isAsInFile: true, text: 'keys are off' }
  const gateway = findGateway(place, env)
  if (gateway === undefined) return { isAsInFile: true, text: 'no gateway runs' }
  const state = reportedKeys(gateway)
  if (state === undefined)
    return { isAsInFile: false, text: `the gateway (pid ${gateway.pid}) has not loaded them` }
  const loaded = `since ${momentText(state.loadedAtMs)}`
  if (state.generation === generation)
    return { isAsInFile: true, text: `in force as generation ${generation} ${loaded}` }
  const reason = state.refused === undefined ? '' : `: ${printable(state.refused)}`
  const text = `not in force: the gateway has generation ${state.generation} ${loaded}, the file is ${generation}${reason}`
  return { isAsInFile: false, text }
}
