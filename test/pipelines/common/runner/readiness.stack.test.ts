/** When a member calls itself ready: not before the group has given it its share and the sink has said where to begin. */
import { describe, expect, inject, it } from 'vitest';
import { RecordingSink, RecordingStore } from '../../../helpers/recording-sink.ts';
import { eventually, type Member, type Protocol, RunnerHarness } from '../../../helpers/runner-harness.ts';

const protocols: readonly Protocol[] = ['cooperative-sticky', 'range', 'consumer'];

const isReady = (member: Member) => member.status().unready === null;
/** The broker-side protocol does not speak to a member without partitions. */
const UNHEARD_MS = 1_500;
const wasAssigned = (member: Member) => member.log.some(({ msg }) => msg === 'partitions assigned');

describe.each(protocols)('in the protocol %s', (protocol) => {
  it('a member is ready with its partitions, and one for whom there are none without', async () => {
    await using harness = await RunnerHarness.create(inject('configFile'), { protocol, partitions: 1 });
    const gate = Promise.withResolvers<void>();
    const sink = new RecordingSink(new RecordingStore(), {
      before: (step) => (step === 'positions' ? gate.promise : undefined),
    });
    const member = harness.start({ sink });
    const reasons = new Set<string | null>();
    await eventually(
      () => {
        const { unready } = member.status();
        reasons.add(unready);
        return unready?.includes(`${harness.topic}/0 waits for where to begin`) === true;
      },
      { everyMs: 1 },
    );
    expect([...reasons]).not.toContain(null);
    gate.resolve();
    await eventually(() => isReady(member));

    const idle = harness.start({
      sink: new RecordingSink(new RecordingStore()),
      timing: { unheardMs: UNHEARD_MS },
    });
    const startedAt = performance.now();
    await eventually(
      () => {
        const isUnheard = protocol === 'consumer' && performance.now() - startedAt > UNHEARD_MS;
        if (isReady(idle)) expect(isUnheard || wasAssigned(idle)).toBe(true);
        return isReady(idle) && isReady(member);
      },
      { everyMs: 1, what: 'a member without partitions that is ready' },
    );
    await Promise.all([member.stop(), idle.stop()]);
  });
});
