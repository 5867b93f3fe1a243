// The machines that share limits, as text: `llm-gateway machines`, `llm-gateway status`, and on the status page.
import { durationText } from '../platform/duration.ts'
import type { MachineRow, MachineUse, SharedStoreReport, ShownStore } from './shared-store.ts'

/** A store with its texts. */
export function shownStore(store: SharedStoreReport): ShownStore {
  return {
    ...store,
    text: storeText(store),
    machines: store.machines.map((machine) => ({ ...machine, uses_text: usesText(machine) })),
  }
}

export const machineHeads = ['machine', 'state', 'version', 'since', 'uses']

const stateWords: Readonly<Record<MachineRow['state'], string>> = {
  here: 'here',
  silent: 'silent',
  left: 'stopped',
}

/** @param nowMs milliseconds since 1970. */
export function machineCells(machine: MachineRow, nowMs: number): string[] {
  const { name, is_this: isThis, state, version, since, last_seen: lastSeen } = machine
  const ago = (iso: string) => durationText(Math.max(0, nowMs - Date.parse(iso)))
  const words = stateWords[state] ?? state
  return [
    isThis ? `${name} (this one)` : name,
    state === 'here' ? words : `${words}, seen ${ago(lastSeen)} ago`,
    version,
    since === null ? '-' : `${ago(since)} ago`,
    usesText(machine) ?? '-',
  ]
}

function usesText({ uses }: MachineRow): string | null {
  return uses.map(useText).join('; ') || null
}

/** `qwen: 3 requests, 812 tokens, 1 under way` */
function useText({ kind, name, requests, tokens, parallel }: MachineUse): string {
  const counts = [
    requests > 0 && `${requests} ${requests === 1 ? 'request' : 'requests'}`,
    tokens > 0 && `${tokens} ${tokens === 1 ? 'token' : 'tokens'}`,
    parallel > 0 && `${parallel} under way`,
  ]
  return `${kind === 'provider' ? 'provider ' : ''}${name}: ${counts.filter(Boolean).join(', ')}`
}

/** Whether the store is up, and what is in force. */
export function storeText({
  up,
  server,
  fault,
  in_force: inForce,
  here,
  members,
}: SharedStoreReport): string {
  if (!up) return `the store is away (${fault ?? 'no reason'}): ${forceWords[inForce]}`
  return `${here} of at most ${members} machines share limits${server === null ? '' : ` over ${server}`}`
}

/** What is to be known besides, a line each: on a terminal. An older gateway does not say what machines conflict in. */
export function storeNotes({
  up,
  here,
  members,
  machines,
  conflicts = [],
}: Omit<SharedStoreReport, 'conflicts'> & Partial<Pick<SharedStoreReport, 'conflicts'>>): string[] {
  return [
    !up && machines.length > 0 && 'Who is there is as last heard.',
    up &&
      here > members &&
      `warning: more machines are there than members allows: ${here}. Raise it on all, or they exceed limits while the store is away.`,
    ...conflicts.map((each) => `warning: ${each}`),
  ].filter((line) => line !== false)
}

const forceWords: Readonly<Record<SharedStoreReport['in_force'], string>> = {
  all: 'the limits are those of all machines together',
  share: 'this machine has its part of each limit',
  refuse: 'calls are refused beyond what this machine holds',
  local: 'this machine has each limit as if it were alone',
}
