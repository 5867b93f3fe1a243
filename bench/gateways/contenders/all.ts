import type { Contender } from '../contender.ts'
import { bareNode } from './bare-node.ts'
import { bifrost } from './bifrost.ts'
import { caddy } from './caddy.ts'
import { haproxy } from './haproxy.ts'
import { litellm } from './litellm.ts'
import { llamaSwap } from './llama-swap.ts'
import { nginx } from './nginx.ts'
import { olla } from './olla.ts'
import { ours } from './ours.ts'
import { portkey } from './portkey.ts'

/** In the order of the report; ours is the first. */
export const contenders: readonly Contender[] = [
  ours,
  nginx,
  haproxy,
  caddy,
  bareNode,
  portkey,
  litellm,
  bifrost,
  olla,
  llamaSwap,
]
