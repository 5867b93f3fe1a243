import type { Contender } from '../contender.ts'
import { agentgateway } from './agentgateway.ts'
import { bareNode } from './bare-node.ts'
import { bifrost } from './bifrost.ts'
import { caddy } from './caddy.ts'
import { claudeCodeRouter } from './claude-code-router.ts'
import { haproxy } from './haproxy.ts'
import { litellm } from './litellm.ts'
import { llamaSwap } from './llama-swap.ts'
import { llmRouter } from './llm-router.ts'
import { nginx } from './nginx.ts'
import { olla } from './olla.ts'
import { ours, variants } from './ours.ts'
import { portkey } from './portkey.ts'

/** In the order of the report; ours is the first, those people pick in its place come after the proxies. */
export const contenders: readonly Contender[] = [
  ours,
  ...variants,
  nginx,
  haproxy,
  caddy,
  bareNode,
  litellm,
  olla,
  llamaSwap,
  llmRouter,
  portkey,
  claudeCodeRouter,
  bifrost,
  agentgateway,
]
