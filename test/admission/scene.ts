// An admission with a fake clock and one model, `m`, that makes wait. Its calls are followed by name.
import assert from 'node:assert/strict'
import { Admission } from '../../src/admission/admission.ts'
import type { Decision } from '../../src/admission/admission.ts'
import { Calibration } from '../../src/admission/estimate.ts'
import { MemoryStore } from '../../src/admission/stores/memory.ts'
import type { Scope } from '../../src/admission/scopes.ts'
import type { AdmissionStore } from '../../src/admission/stores/store.ts'
import type { Disconnect, Program } from '../../src/admission/waiting-line.ts'
import type { RateLimitConfig } from '../../src/config/types.ts'
import type { ModelLimits } from '../../src/domain.ts'
import { FakeClock, settled } from '../support/fake-clock.ts'
import { type Held, heldBy } from './held.ts'

interface Call {
  readonly disconnect: Disconnect
  decision: Decision | undefined
}

export class Scene {
  readonly clock = new FakeClock()
  readonly admission: Admission
  readonly calls = new Map<string, Call>()
  readonly admitted: string[] = []

  constructor(limits: Partial<ModelLimits>, store: AdmissionStore = new MemoryStore()) {
    const { now, setTimer } = this.clock
    const parts = { store, limits: config(limits), calibration: new Calibration(), now, setTimer }
    this.admission = new Admission({ ...parts, maxLineLength: 30 })
  }

  /** `name` begins with the client's name: `a1` is a call of `a`. */
  call(name: string, tokens = 10, of: { model?: string; providers?: Scope[]; program?: Program } = {}): void {
    const call: Call = { disconnect: { isGone: false, onGone: undefined }, decision: undefined }
    this.calls.set(name, call)
    const note = (decision: Decision): void => {
      call.decision = decision
      if (decision.kind === 'admitted') this.admitted.push(name)
    }
    const client = { id: name.charAt(0) }
    const scope = { model: 'm', providers: [], ...of }
    const decision = this.admission.reserve({
      client,
      tokens,
      minTokens: 1,
      disconnect: call.disconnect,
      ...scope,
    })
    if (decision instanceof Promise) void decision.then(note)
    else note(decision)
  }

  hold(name: string): Held {
    const { decision } = this.calls.get(name)!
    assert.ok(decision?.kind === 'admitted', `${name}: ${decision?.kind}`)
    return heldBy(this.admission, decision)
  }

  leave(name: string): void {
    const { disconnect } = this.calls.get(name)!
    disconnect.isGone = true
    disconnect.onGone?.()
  }

  /** Settles with the tokens that were reserved. */
  async finish(name: string): Promise<void> {
    const hold = this.hold(name)
    hold.settle({ kind: 'used', tokens: hold.tokens })
    await settled()
  }

  async advance(byMs: number): Promise<void> {
    this.clock.advance(byMs)
    await settled()
  }

  outcome(name: string): string {
    return this.calls.get(name)!.decision?.kind ?? 'waiting'
  }
}

export function config(limits: Partial<ModelLimits>, others: [string, ModelLimits][] = []): RateLimitConfig {
  const model = { whenLimited: 'wait', maxWaitMs: 120_000, ...limits } as const
  return {
    enabled: true,
    perClientRpm: undefined,
    perClientMaxWaitMs: 0,
    default: { whenLimited: 'reject', maxWaitMs: 0 },
    limits: new Map([['m', model], ...others]),
  }
}
