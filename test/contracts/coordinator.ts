// What calls may rely on, whether the owner is in their own thread or answers by messages.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Admission } from '../../src/admission/admission.ts'
import type { BudgetState } from '../../src/admission/budget.ts'
import { Calibration } from '../../src/admission/estimate.ts'
import { MemoryStore } from '../../src/admission/stores/memory.ts'
import type { AdmissionRequest, Coordinator, Hold } from '../../src/call/coordinator.ts'
import { LocalCoordinator } from '../../src/call/local-coordinator.ts'
import type { ModelLimits, Target } from '../../src/domain.ts'
import type { GatewayError } from '../../src/errors.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { spendingCall } from '../support/spending-call.ts'

const size = {
  textBytes: 400,
  mediaCount: 0,
  messageCount: 1,
  tokenIdCount: 0,
  promptCount: 1,
  maxOutputTokens: 10,
  choices: 1,
}

export const [a, b] = ['a', 'b'].map((provider): Target => ({
  provider,
  model: 'm',
  tier: provider === 'a' ? 1 : 2,
  weight: 1,
})) as [Target, Target]

/** An owner of one model, `m`, at two providers of which `a` is preferred. */
export function startOwner(of: Partial<ModelLimits> = {}): { owner: LocalCoordinator; clock: FakeClock } {
  const clock = new FakeClock()
  const { now, setTimer } = clock
  const limits = { whenLimited: 'reject', maxWaitMs: 60_000, ...of } as const
  const rateLimits = {
    enabled: true,
    perClientRpm: undefined,
    perClientMaxWaitMs: 0,
    default: limits,
    limits: new Map(),
  }
  const calibration = new Calibration()
  const admission = new Admission({
    store: new MemoryStore(),
    calibration,
    limits: rateLimits,
    now,
    setTimer,
  })
  const owner = new LocalCoordinator({ admission, calibration, now, chance: () => 0.5 })
  const providers = ['a', 'b'].map((name) => ({ name, isLocal: false, maxParallelRequests: undefined }))
  owner.follow({ providers: new Map(), routing: { cooldownMs: 1000 }, rateLimits }, providers)
  return { owner, clock }
}

export function request(of: Partial<AdmissionRequest> = {}): AdmissionRequest {
  const client = { id: 'user:me' }
  const disconnect = { isGone: false, onGone: undefined }
  const targets = [a, b]
  return {
    client,
    clientScope: undefined,
    disconnect,
    model: 'm',
    targets,
    size,
    prefix: undefined,
    isStream: true,
    format: 'chat',
    skipsFailing: false,
    ...of,
  }
}

/** @param make a way to that owner. */
export function testCoordinator(name: string, make: (owner: LocalCoordinator) => Coordinator): void {
  const contract = (
    behaviour: string,
    limits: Partial<ModelLimits>,
    run: (scene: { owner: LocalCoordinator; clock: FakeClock; coordinator: Coordinator }) => Promise<void>,
  ): void => {
    test(`${name}: ${behaviour}`, () => {
      const { owner, clock } = startOwner(limits)
      return run({ owner, clock, coordinator: make(owner) })
    })
  }

  const admit = async (coordinator: Coordinator, of: Partial<AdmissionRequest> = {}): Promise<Hold> => {
    const result = await coordinator.admit(request(of))
    assert.ok(result.kind === 'admitted', result.kind)
    return result.hold
  }

  const used = async (coordinator: Coordinator): Promise<readonly number[]> => {
    const [report] = await coordinator.describe(['m'])
    return [report!.used.requests, report!.used.tokens, report!.used.parallel]
  }

  contract('admits with the best target first, and settles once', { rpm: 5 }, async ({ coordinator }) => {
    const targets = [b, a]
    const hold = await admit(coordinator, { targets })
    assert.deepEqual([hold.targets, hold.target], [[a, b], a])
    assert.ok(targets.includes(hold.target), 'the very objects that were asked with')
    assert.deepEqual(hold.limitStatus.requests, { limit: 5, remaining: 4, resetMs: 60_000 })
    assert.deepEqual(await used(coordinator), [1, hold.tokens, 1])
    hold.settle({ kind: 'used', tokens: 7 })
    hold.settle({ kind: 'used', tokens: 70 })
    assert.deepEqual(await used(coordinator), [1, 7, 0])
  })

  contract('refuses with the reason', { rpm: 1 }, async ({ coordinator }) => {
    const hold = await admit(coordinator)
    const result = await coordinator.admit(request())
    assert.ok(result.kind === 'limited')
    assert.deepEqual(
      [result.dimension, result.retryAfterMs, result.scope.name, result.waitedMs],
      ['requests', 60_000, 'm', 0],
    )
    hold.settle({ kind: 'unsent' })
    await admit(coordinator)
  })

  contract(
    'budgets are held, grown and settled, with the limits or not at all',
    { rpm: 3 },
    async ({ coordinator }) => {
      const scopes = [
        { name: 'key:k', entry: 'k', budgets: [{ unit: 'usd', limit: 1_000, per: 'day' } as const] },
      ]
      const rates = { input: 1_000, output: 1_000, request: 0 }
      const spending = { scopes, rates, call: spendingCall }
      const state = async () => {
        const [{ spent, reserved }] = (await coordinator.describeBudgets(scopes)) as [BudgetState]
        return [spent, reserved]
      }
      const hold = await admit(coordinator, { spending })
      assert.equal(hold.isBudgeted, true)
      assert.deepEqual(await state(), [0, hold.tokens])
      hold.grow(990)
      assert.deepEqual(await state(), [0, 990])
      const refused = await coordinator.admit(request({ spending }))
      assert.equal(refused.kind, 'budget_exceeded')
      assert.deepEqual((await used(coordinator))[0], 1)
      const unbudgeted = await admit(coordinator)
      assert.equal(unbudgeted.isBudgeted, false)
      hold.settle({ kind: 'used', tokens: 7 }, undefined, { nano: 40, tokens: 7 })
      hold.settle({ kind: 'used', tokens: 7 }, undefined, { nano: 40, tokens: 7 })
      assert.deepEqual(await state(), [40, 0])
      const last = await admit(coordinator, { spending })
      assert.equal((await coordinator.admit(request({ spending }))).kind, 'limited')
      assert.deepEqual(await state(), [40, last.tokens])
      last.settle({ kind: 'unsent' })
      assert.deepEqual(await state(), [40, 0])
    },
  )

  contract('a call of a spent budget is interrupted once', {}, async ({ owner, coordinator }) => {
    const budgets = { timeZone: 'UTC', reserve: 'predicted', whenExhausted: 'cut' } as const
    owner.admission.budgets.follow(budgets)
    const scopes = [
      { name: 'key:k', entry: 'k', budgets: [{ unit: 'tokens', limit: 500, per: 'day' } as const] },
    ]
    const spending = { scopes, rates: undefined, call: spendingCall }
    const hold = await admit(coordinator, { spending })
    const { promise, resolve } = Promise.withResolvers<GatewayError>()
    hold.interruptible = { interrupt: resolve }
    hold.grow(501)
    hold.grow(600)
    const error = await promise
    assert.equal(error.code, 'budget_exceeded')
    assert.equal(error.headers['x-should-retry'], 'false')
  })

  contract('a call that grows is charged for it at once', { tpm: 1000 }, async ({ coordinator }) => {
    const hold = await admit(coordinator)
    hold.grow(900)
    assert.equal(hold.tokens, 900)
    hold.grow(20)
    assert.deepEqual(await used(coordinator), [1, 900, 1])
  })

  contract('what one call reports of a target, the next ones know', { rpm: 9 }, async ({ coordinator }) => {
    const first = await admit(coordinator)
    assert.equal(first.failureKindOf(a), undefined)
    first.report({ kind: 'failing', failureKind: 'unreachable', retryAfterMs: undefined })
    assert.deepEqual([first.failureKindOf(a), first.failureKindOf(b)], ['unreachable', undefined])
    const second = await admit(coordinator)
    assert.deepEqual([second.targets, second.failureKindOf(a)], [[b, a], 'unreachable'])
    assert.equal(await first.moveTo([b]), b)
    assert.equal(await first.moveTo([a]), a)
    first.report({ kind: 'healthy' })
    assert.deepEqual((await admit(coordinator)).targets, [a, b])
  })

  contract(
    'a call that another model may answer holds nothing while all targets fail',
    { rpm: 9 },
    async (scene) => {
      const { coordinator } = scene
      const failing = { kind: 'failing', failureKind: 'timeout', retryAfterMs: undefined } as const
      const hold = await admit(coordinator)
      hold.report(failing)
      assert.equal((await coordinator.admit(request({ skipsFailing: true }))).kind, 'admitted')
      hold.report(failing, b)
      const skipped = await coordinator.admit(request({ skipsFailing: true }))
      assert.equal(skipped.kind, 'all_failing')
      const [requests, , parallel] = await used(coordinator)
      assert.deepEqual([requests, parallel], [2, 2])
      hold.report({ kind: 'healthy' }, b)
      assert.equal((await coordinator.admit(request({ skipsFailing: true }))).kind, 'admitted')
    },
  )

  contract('after a cool-down one call tries, until it is known how that went', {}, async (scene) => {
    const { coordinator, clock } = scene
    const failed = await admit(coordinator)
    failed.report({ kind: 'failing', failureKind: 'unreachable', retryAfterMs: undefined })
    await arrived(coordinator)
    clock.advance(1000)
    const trial = await admit(coordinator)
    assert.equal(trial.target, a)
    assert.equal((await admit(coordinator)).target, b)
    trial.settle({ kind: 'cut', tokens: 0 })
    assert.equal((await admit(coordinator)).target, a)
  })

  contract('the load of a provider is its calls under way', {}, async ({ coordinator, owner }) => {
    const hold = await admit(coordinator)
    assert.deepEqual([owner.load.of('a'), owner.load.of('b')], [1, 0])
    await hold.moveTo([b])
    assert.deepEqual([owner.load.of('a'), owner.load.of('b')], [0, 1])
    hold.settle({ kind: 'used', tokens: 1 })
    await arrived(coordinator)
    assert.equal(owner.load.of('b'), 0)
  })

  contract('usage that was counted is learnt from, and so is a cut response', { rpm: 9 }, async (scene) => {
    const { coordinator, owner } = scene
    const usage = { promptTokens: 90, completionTokens: 20, totalTokens: 110 }
    const first = await admit(coordinator)
    first.settle({ kind: 'used', tokens: 110 }, { ...usage, isEstimated: false })
    const second = await admit(coordinator)
    second.settle({ kind: 'cut', tokens: 500 }, { ...usage, completionTokens: 400, isEstimated: true })
    await arrived(coordinator)
    const [fact] = owner.calibration.describe('m')
    assert.deepEqual([fact!.provider, fact!.samples], ['a', 2])
    assert.ok(fact!.outputTokens > 20)
  })

  contract('a prompt is counted as it was learned, and reserves nothing', { rpm: 9 }, async (scene) => {
    const { coordinator, owner } = scene
    const { size } = request()
    const prompt = { model: 'm', provider: 'a', size }
    const before = await coordinator.countPrompt(prompt)
    assert.ok(before > 0)
    assert.deepEqual(await used(coordinator), [0, 0, 0])
    for (let call = 0; call < 5; call += 1) {
      owner.calibration.learn('m', 'a', size, { promptTokens: 10 * before, completionTokens: 1 })
    }
    assert.ok((await coordinator.countPrompt(prompt)) > before)
  })

  contract('a provider that refuses to be asked for usage is known by its name', {}, async (scene) => {
    const { coordinator } = scene
    const hold = await admit(coordinator)
    assert.equal(hold.uselessUsageWishOf('a'), undefined)
    hold.reportUselessUsageWish('unneeded')
    const next = await admit(coordinator)
    assert.equal(next.uselessUsageWishOf('a'), 'unneeded')
    next.reportUselessUsageWish('refused')
    next.reportUselessUsageWish('unneeded')
    const last = await admit(coordinator)
    assert.deepEqual([last.uselessUsageWishOf('a'), last.uselessUsageWishOf('b')], ['refused', undefined])
  })

  const line = { rpm: 100, maxParallelRequests: 1, whenLimited: 'wait' } as const

  contract('a waiting call is admitted when its turn comes', line, async ({ coordinator, clock }) => {
    const hold = await admit(coordinator)
    const waiting = coordinator.admit(request())
    await arrived(coordinator)
    clock.advance(500)
    hold.settle({ kind: 'used', tokens: 1 })
    const result = await waiting
    assert.ok(result.kind === 'admitted')
    assert.equal(result.hold.waitedMs, 500)
  })

  contract('a client that leaves while it waits leaves the line', line, async ({ coordinator }) => {
    const hold = await admit(coordinator)
    const asked = request()
    const [leaving, staying] = [coordinator.admit(asked), coordinator.admit(request())]
    await arrived(coordinator)
    leave(asked)
    hold.settle({ kind: 'used', tokens: 1 })
    assert.equal((await leaving).kind, 'gone')
    assert.equal((await staying).kind, 'admitted')
    assert.deepEqual((await used(coordinator))[0], 2)
  })

  contract('closing sends waiting calls away, and lets those under way settle', line, async (scene) => {
    const { coordinator } = scene
    const hold = await admit(coordinator)
    const waiting = coordinator.admit(request())
    await arrived(coordinator)
    coordinator.close()
    assert.equal((await waiting).kind, 'shutting_down')
    assert.equal((await coordinator.admit(request())).kind, 'shutting_down')
    hold.settle({ kind: 'used', tokens: 1 })
    assert.deepEqual(await used(coordinator), [1, 1, 0])
  })
}

/** Until the owner has heard what was said so far. */
async function arrived(coordinator: Coordinator): Promise<void> {
  await coordinator.describe([])
}

function leave({ disconnect }: AdmissionRequest): void {
  disconnect.isGone = true
  disconnect.onGone?.()
}
