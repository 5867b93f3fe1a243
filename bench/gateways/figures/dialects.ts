// What calls in Messages and Responses cost at a provider of chat, through each gateway that translates them.
import type { Contender } from '../contender.ts'
import type { Figure, Measurement, Stage } from '../figure.ts'
import type { Instance } from '../instance.ts'
import type { Format } from '../wire.ts'
import { cpuPerCall, cpuPerEvent } from './cpu.ts'

const connections = 8
const formats = ['messages', 'responses'] as const satisfies readonly Format[]
const titles = { messages: 'Messages', responses: 'Responses' } as const

export const dialects: Measurement = {
  name: 'dialects',
  figures: () => formats.flatMap(figuresOf),
  takes: ({ entrances }) => formats.some((format) => entrances[format] !== undefined),
  async measure(stage, instances) {
    for (const format of formats) {
      const able = instances.filter((instance) => instance.formats.has(format))
      for (const instance of able) await warmUp(stage, instance, format)
      for (let round = 0; round < stage.scale.rounds; round += 1) {
        for (const instance of stage.inTurn(able)) await measureCalls(stage, { instance, format, round })
        for (const instance of stage.inTurn(able)) await measureEvents(stage, { instance, format, round })
      }
    }
  },
}

function figuresOf(format: (typeof formats)[number]): Figure[] {
  const has = ({ entrances }: Contender) => entrances[format] !== undefined
  const title = titles[format]
  return [
    { id: `${format}_call`, title: `CPU per plain call, ${title} to chat`, unit: 'µs', digits: 0, has },
    { id: `${format}_event`, title: `CPU per streamed event, chat to ${title}`, unit: 'µs', digits: 1, has },
  ]
}

interface One {
  readonly instance: Instance
  readonly format: Format
  readonly round: number
}

async function warmUp(stage: Stage, instance: Instance, format: Format): Promise<void> {
  const { load, scale } = stage
  stage.tell(`warms up ${instance.contender.name}, ${format}`)
  const calls = instance.callsOf({ kind: 'plain' }, 0, undefined, format)
  const [durationMs, maxCalls] = [scale.warmUpMs / 2, scale.warmUpCalls / 2]
  await load.run({ kind: 'closed', calls, connections, durationMs, maxCalls })
}

async function measureCalls(stage: Stage, { instance, format, round }: One): Promise<void> {
  const { scale, load, ledger } = stage
  const contender = instance.contender.name
  stage.tell(`round ${round + 1}: ${format} calls of ${contender}`)
  const calls = instance.callsOf({ kind: 'plain' }, 0, undefined, format)
  const task = { kind: 'closed', calls, connections, durationMs: scale.measureMs } as const
  await load.run({ ...task, durationMs: scale.leadMs })
  const { perCall, outcome } = await cpuPerCall(instance, () => load.run(task))
  ledger.add({ figure: `${format}_call`, contender, round, value: perCall }, outcome)
}

async function measureEvents(stage: Stage, { instance, format, round }: One): Promise<void> {
  const contender = instance.contender.name
  stage.tell(`round ${round + 1}: ${format} streams of ${contender}`)
  const { perEvent, outcome } = await cpuPerEvent(stage, instance, (script) =>
    instance.callsOf(script, 0, undefined, format),
  )
  stage.ledger.add({ figure: `${format}_event`, contender, round, value: perEvent }, outcome)
}
