// What a translation costs: Anthropic's Messages at a provider of chat, against calls that pass, in one process of ours.
import { createOurs, isOurs, ours } from '../contenders/ours.ts'
import type { Measurement, Stage } from '../figure.ts'
import { type Instance, startInstance } from '../instance.ts'
import type { Calls } from '../tasks.ts'
import type { Script } from '../wire.ts'
import { cpuPerCall, cpuPerEvent } from './cpu.ts'

const connections = 8
const imageBytes = 1_000_000

/**
 * Held against each other alone: other figures have calls like these of a process that has served more before, and at half
 * the cost.
 */
const microseconds = (digits: number) => ({ unit: 'µs', digits, has: isOurs })

export const translation: Measurement = {
  name: 'translation',
  startsItsOwn: true,
  figures: () => [
    { id: 'passed_call', title: 'one process: CPU per plain call, chat passed through', ...microseconds(0) },
    { id: 'translated_call', title: 'one process: CPU per plain call, Messages to chat', ...microseconds(0) },
    {
      id: 'passed_event',
      title: 'one process: CPU per streamed event, chat passed through',
      ...microseconds(1),
    },
    {
      id: 'translated_event',
      title: 'one process: CPU per streamed event, chat to Messages',
      ...microseconds(1),
    },
    {
      id: 'passed_image',
      title: 'one process: CPU per call with an image of 1 MB, Messages passed through',
      ...microseconds(0),
    },
    {
      id: 'translated_image',
      title: 'one process: CPU per call with an image of 1 MB, Messages to chat',
      ...microseconds(0),
    },
  ],
  async measure(stage) {
    if (!stage.entrants.some(({ contender }) => contender === ours)) return
    const contender = createOurs(ours.name, { models: [], hasNative: true })
    const found = await contender.find({ mayDownload: false, isPacked: stage.isPacked })
    if (found.kind !== 'found') return
    const instance = await startInstance(contender, found, stage.ground)
    try {
      await warmUp(stage, instance)
      for (let round = 0; round < stage.scale.rounds; round += 1) await measureRound(stage, instance, round)
    } finally {
      await instance.stop()
    }
  },
}

function messagesOf(instance: Instance, script: Script, model = 'bench', bulkBytes = 0): Calls {
  return instance.callsOf(script, bulkBytes, [model], 'messages')
}

async function warmUp(stage: Stage, instance: Instance): Promise<void> {
  const { load, scale } = stage
  stage.tell('warms up')
  const limits = { durationMs: scale.warmUpMs, maxCalls: scale.warmUpCalls / 2, connections }
  for (const calls of [instance.callsOf({ kind: 'plain' }), messagesOf(instance, { kind: 'plain' })]) {
    await load.run({ kind: 'closed', calls, ...limits })
  }
}

async function measureRound(stage: Stage, instance: Instance, round: number): Promise<void> {
  const { scale, load, ledger } = stage
  const add = (figure: string, value: number, outcome: Parameters<typeof ledger.add>[1]) =>
    ledger.add({ figure, contender: ours.name, round, value }, outcome)
  const plain: Script = { kind: 'plain' }
  const big: Script = { kind: 'big', bytes: imageBytes }
  const calls = [
    ['passed_call', instance.callsOf(plain), connections],
    ['translated_call', messagesOf(instance, plain), connections],
    ['passed_image', messagesOf(instance, big, 'native', imageBytes), 1],
    ['translated_image', messagesOf(instance, big, 'bench', imageBytes), 1],
  ] as const
  for (const [figure, of, count] of stage.inTurn([...calls])) {
    stage.tell(`round ${round + 1}: ${figure}`)
    const task = { kind: 'closed', calls: of, connections: count, durationMs: scale.measureMs } as const
    await load.run({ ...task, durationMs: scale.leadMs })
    const { perCall, outcome } = await cpuPerCall(instance, () => load.run(task))
    add(figure, perCall, outcome)
  }
  const streams = [
    ['passed_event', (script: Script) => instance.callsOf(script)],
    ['translated_event', (script: Script) => messagesOf(instance, script)],
  ] as const
  for (const [figure, callsOf] of stage.inTurn([...streams])) {
    stage.tell(`round ${round + 1}: ${figure}`)
    const { perEvent, outcome } = await cpuPerEvent(stage, instance, callsOf)
    add(figure, perEvent, outcome)
  }
}
