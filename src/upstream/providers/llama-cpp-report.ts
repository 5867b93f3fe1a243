// What llama-server reports of itself. https://github.com/ggml-org/llama.cpp/tree/master/tools/server
import type { Ability, KnownModel, ReportedServer } from '../../domain.ts'
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import { countIn } from './count-in.ts'

/** Neither it nor the list of models wakes a server that sleeps, as `slotsPath` does. */
export const propsPath = '//props'

/** Of one model of a router, which loads none for it. */
export function propsPathOf(model: string): string {
  return `${propsPath}?model=${encodeURIComponent(model)}&autoload=false`
}

export const slotsPath = '//slots'

/** The answer to `GET /props`. Undefined: it is something else. */
export function readProps(body: Buffer): (ReportedServer & { readonly isRouter: boolean }) | undefined {
  const props = membersOf(parseJson(body))
  const slots = countIn(props, 'total_slots')
  const isRouter = props['role'] === 'router'
  if (slots === undefined && !isRouter) return undefined
  if (isRouter) return { isRouter }
  const isSleeping = props['is_sleeping'] === true
  return { isRouter, slots, isSleeping, anyModel: modelIn(props, isSleeping) }
}

function modelIn(props: Readonly<Record<string, unknown>>, isSleeping: boolean): KnownModel {
  return {
    contextLength: countIn(membersOf(props['default_generation_settings']), 'n_ctx'),
    takes: abilitiesIn(membersOf(props['modalities'])),
    state: isSleeping ? 'sleeping' : 'loaded',
  }
}

/** Templates without tools are given them in words, so that no model lacks them. */
function abilitiesIn({ vision, audio }: Readonly<Record<string, unknown>>): ReadonlySet<Ability> | undefined {
  if (typeof vision !== 'boolean') return undefined
  const others: readonly Ability[] = ['text', 'tools', 'thinking', 'embedding']
  return new Set<Ability>([
    ...others,
    ...(vision ? (['image'] as const) : []),
    ...(audio === true ? (['audio'] as const) : []),
  ])
}

/** The answer to `GET /slots`: how many are at work. Undefined: it is something else, or the server does not show them. */
export function readBusySlots(body: Buffer): number | undefined {
  const slots = parseJson(body)
  if (!Array.isArray(slots)) return undefined
  return slots.filter((slot) => membersOf(slot)['is_processing'] === true).length
}
