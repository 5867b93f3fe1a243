// The owner, asked by messages as worker threads do, here without a thread.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryFloodWindows } from '../../../src/admission/flood-windows.ts'
import type { SharedServices } from '../../../src/app/shared-services.ts'
import type { HoldMessage, Question } from '../../../src/app/workers/messages.ts'
import { Outbox } from '../../../src/app/workers/outbox.ts'
import { RemoteServices } from '../../../src/app/workers/remote-services.ts'
import { WorkerSession } from '../../../src/app/workers/worker-session.ts'
import type { LocalCoordinator } from '../../../src/call/local-coordinator.ts'
import { request, startOwner, testCoordinator } from '../../contracts/coordinator.ts'

type FromWorker = Question | HoldMessage

/** Both ends of one worker's connection to the owner. */
function connect(owner: LocalCoordinator, now = () => 0, refreshed: string[] = []) {
  const services: SharedServices = {
    coordinator: owner,
    floodWindows: new MemoryFloodWindows(2, now),
    discovered: new Map(),
    onModels: undefined,
    refreshModels: (model) => Promise.resolve(void refreshed.push(model)),
  }
  const answers = new Outbox<readonly [id: number, answer: unknown]>(({ messages }) => {
    for (const [id, answer] of structuredClone(messages)) remote.onAnswer(id, answer)
  })
  const session = new WorkerSession(services, (id, answer) => answers.post([id, answer]))
  const outbox = new Outbox<FromWorker>(({ messages }) => {
    for (const message of structuredClone(messages)) {
      if ('id' in message) session.onQuestion(message)
      else session.onHoldMessage(message)
    }
  })
  const remote = new RemoteServices({ outbox, rpm: 2, now, discovered: new Map() })
  return { remote, session }
}

testCoordinator('by messages', (owner) => connect(owner).remote.coordinator)

test('requests of a client are counted once for all workers', async () => {
  let nowMs = 0
  const { remote } = connect(startOwner().owner, () => nowMs)
  const take = () => remote.floodWindows!.take('user:me')
  assert.deepEqual([await take(), await take(), await take()], [0, 0, 60_000])
  nowMs = 60_000
  assert.equal(await take(), 0)
})

test('a list of models is asked for again where the owner asks', async () => {
  const refreshed: string[] = []
  await connect(startOwner().owner, undefined, refreshed).remote.refreshModels('a/new')
  assert.deepEqual(refreshed, ['a/new'])
})

test('a worker that ends leaves the lines, and its calls are charged as cut', async () => {
  const { owner } = startOwner({ rpm: 100, maxParallelRequests: 1, whenLimited: 'wait' })
  const [first, second] = [connect(owner), connect(owner)]
  const result = await first.remote.coordinator.admit(request())
  assert.ok(result.kind === 'admitted')
  for (let count = 0; count < 3; count++) void first.remote.coordinator.admit(request())
  const waiting = second.remote.coordinator.admit(request())
  const describe = async () => (await second.remote.coordinator.describe(['m']))[0]!
  assert.equal((await describe()).waiting, 4)

  first.session.end()

  assert.equal((await waiting).kind, 'admitted')
  const { used, waiting: left } = await describe()
  assert.deepEqual([used.requests, used.parallel, left], [2, 1, 0])
  assert.equal(owner.load.of('a'), 1)
  // What its calls still sent comes too late.
  result.hold.settle({ kind: 'unsent' })
  assert.equal((await describe()).used.requests, 2)
})

test('a client that leaves while its admission is on its way costs nothing', async () => {
  const { owner } = startOwner({ rpm: 5 })
  const { remote } = connect(owner)
  const asked = request()
  const result = remote.coordinator.admit(asked)
  // The owner has admitted it, and its answer is not here yet.
  await new Promise(setImmediate)
  asked.disconnect.isGone = true
  asked.disconnect.onGone?.()
  assert.equal((await result).kind, 'gone')
  const [report] = await remote.coordinator.describe(['m'])
  assert.deepEqual([report!.used.requests, report!.used.parallel], [0, 0])
})
