// Models that are configured: `bench` is called in each case, so that what grows is the table that it is looked up in.
import { type Axis, growthConfig, plainCalls } from '../axis.ts'

export const models: Axis = {
  name: 'models',
  title: 'models configured',
  shouldBeFlat: true,
  points: ({ models }) =>
    [10, models].map((size) => ({
      size,
      setup: { config: growthConfig({ models: namesOf(size - 1) }) },
      calls: plainCalls,
    })),
}

export function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `model-${index}`)
}
