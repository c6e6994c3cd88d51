import { Module } from '@nestjs/common';
import { PolicyConsumer } from './policy-consumer.js';

@Module({ providers: [PolicyConsumer] })
export class PolicyModule {}
