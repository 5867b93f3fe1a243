// What Node itself costs: the floor under every gateway that runs on it, and no product.
import { join } from 'node:path'
import type { Contender } from '../contender.ts'

export const bareNode: Contender = {
  name: 'Node',
  setup:
    '`bench/gateways/bare-node.cjs`: node:http in front of undici clients, on the same Node.js as llm-gateway',
  entrances: { chat: { path: '/v1/chat/completions', model: 'bench' } },
  find: () =>
    Promise.resolve({
      kind: 'found',
      version: process.versions.node,
      launch: ({ port, upstreamPort }) => ({
        command: process.execPath,
        args: [join(import.meta.dirname, '../bare-node.cjs'), String(port), String(upstreamPort)],
      }),
    }),
}
