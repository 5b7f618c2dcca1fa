"""
`smaknet_matcher`: camera topics in, `~/match` out; wiring only.

A lifecycle node. Configure loads and warms up, activate subscribes, deactivate unsubscribes,
cleanup frees; `autostart` (the default) does the first two at start. Exit codes: 0 after SIGINT or
SIGTERM, 2 for wrong parameters and, with autostart, for files that cannot be used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import gc
import sys
from typing import Any, TYPE_CHECKING

from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.utilities import remove_ros_args
from smaknet_core.errors import printable, SmaknetError
from smaknet_core.interrupts import handled_by
from smaknet_ros import parameters, topics
from smaknet_ros.arguments import Parser
from smaknet_ros.ending import ends_with, soon
from smaknet_ros.settings import require_files, settings_of
from std_srvs.srv import Trigger

if TYPE_CHECKING:
    from smaknet_ros.session import Session

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
ERROR = TransitionCallbackReturn.ERROR


class MatcherNode(LifecycleNode):
    """The node; raises ConfigError for wrong parameters before it does anything."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__('smaknet_matcher', **arguments)
        try:
            self.settings = parameters.declare(self)
        except SmaknetError:
            self.destroy_node()
            raise
        self._rows = parameters.rows_for(list(self.settings.camera_names))
        self._session: Session | None = None
        self._state = 'unconfigured'
        self.add_on_set_parameters_callback(self._set_parameters)
        self.create_service(Trigger, topics.RESET, self._reset)
        self.create_service(Trigger, topics.RELOAD, self._reload)
        # Not the node's clock: it may be simulated, and stand still when something is wrong.
        self.create_timer(1.0, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def start(self) -> bool:
        """Configure and activate; False if either fails (the reason has been logged)."""
        return self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS

    def close(self) -> None:
        """Free everything, whatever the state."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load model and demonstrations, warm up, advertise; FAILURE may be retried."""
        try:
            require_files(self.settings)
            from smaknet_ros.session import Session  # torch: seconds, and not for a typing error

            self._go_on()
            self._session = Session(self, self.settings)
        except Exception as err:  # a lifecycle node would swallow it without a word
            self._explain(f'cannot configure: {_reason(err)}')
            return FAILURE
        self._go_on()
        return self._enter('inactive', super().on_configure(state))

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and match; what goes wrong leads to on_error."""
        try:
            entered = self._enter('active', super().on_activate(state))
            if entered == SUCCESS and self._session is not None:
                self._session.start()
                self.get_logger().info(f'active, cameras {", ".join(self.settings.camera_names)}')
            self._go_on()
            return entered
        except Exception as err:
            self._explain(f'cannot activate: {_reason(err)}')
            return ERROR

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe; what is loaded stays."""
        if self._session is not None:
            self._session.stop()
        return self._enter('inactive', super().on_deactivate(state))

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free model and memory."""
        self.close()
        gc.collect()  # a network is full of cycles: else several would wait for their collection
        return self._enter('unconfigured', super().on_cleanup(state))

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        self.close()
        return self._enter('finalized', super().on_shutdown(state))

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything; the node can be configured again."""
        self.close()
        return self._enter('unconfigured', super().on_error(state))

    def _go_on(self) -> None:
        if not self.context.ok():  # told to end; nothing else leaves a transition without a word
            raise KeyboardInterrupt

    def _explain(self, text: str) -> None:
        self._go_on()
        self.get_logger().error(text)

    def _enter(self, state: str, result: TransitionCallbackReturn) -> TransitionCallbackReturn:
        if result == SUCCESS:
            self._state = state
        return result

    def _tick(self) -> None:
        try:
            self._look_after()
        except Exception as err:  # of an executor's callback, it would end the node
            self.get_logger().error(f'diagnostics: {_reason(err)}', throttle_duration_sec=10.0)

    def _look_after(self) -> None:
        if self._session is None:
            return
        stands = self.get_clock().ros_time_is_active and self.get_clock().now().nanoseconds == 0
        if stands and not self.count_publishers('/clock'):  # a player may wait for this node
            self.get_logger().warning(
                'use_sim_time is set, but nothing publishes /clock', throttle_duration_sec=10.0
            )
        self._session.tick(self._state)

    def _set_parameters(self, changed: list[Any]) -> SetParametersResult:
        try:
            values = {
                name: parameters.check(row, name, self.get_parameter(name).value)
                for name, row in self._rows.items()
            }
            for parameter in changed:
                row = self._rows.get(parameter.name)
                if row is None:  # rclpy's own
                    continue
                if row.changes == 'while unconfigured' and self._session is not None:
                    reason = f'{parameter.name} can only be set while the node is unconfigured'
                    return SetParametersResult(successful=False, reason=reason)
                name = parameter.name
                values[name] = parameters.check(row, name, parameter.value)
            settings = settings_of(values)
            if self._session is not None and settings != self.settings:
                self._session.adopt(settings)
        except Exception as err:
            return SetParametersResult(successful=False, reason=str(err) or repr(err))
        self.settings = settings
        return SetParametersResult(successful=True)

    def _reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._answer(response, lambda session: session.reset())

    def _reload(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return self._answer(
            response,
            lambda session: session.adopt(self.settings, session.load(self.settings)),
        )

    def _answer(
        self, response: Trigger.Response, act: Callable[[Session], None]
    ) -> Trigger.Response:
        if self._session is None:
            response.success, response.message = False, f'the node is {self._state}'
            return response
        try:
            act(self._session)
        except Exception as err:
            response.success, response.message = False, str(err) or repr(err)
            return response
        response.success, response.message = True, ''
        return response


def main(args: Sequence[str] | None = None) -> int:
    """Run the node until it is told to end; return the exit code."""
    argv = list(sys.argv if args is None else args)
    with handled_by(soon):  # before rclpy, which passes signals on
        try:
            _parse(remove_ros_args(argv)[1:])
            rclpy.init(args=argv)
        except SystemExit as err:
            return int(err.code or 0)
        except Exception as err:  # several unrelated types, for a bad YAML file among others
            return _complain(err)
        try:
            return _run()
        finally:
            rclpy.try_shutdown()


def _run() -> int:
    try:
        node = MatcherNode()
    except Exception as err:  # ours, rclpy's own for parameters of its own, or told to end
        return _complain(err) if rclpy.ok() else 0
    executor = SingleThreadedExecutor()
    code = 1  # of what nobody expects
    try:
        code = _live(node, executor)
    finally:
        ends_with(code)
        node.close()
        executor.shutdown()
        node.destroy_node()
    return code


def _live(node: MatcherNode, executor: SingleThreadedExecutor) -> int:
    """Start the node and let it work until it is told to end; return the exit code."""
    try:
        if node.settings.autostart and not node.start():
            return 2 if rclpy.ok() else 0
        executor.add_node(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:  # RCLError: a signal between two spins, and the context is gone
        if rclpy.ok():
            raise
    return 0


def _parse(args: list[str]) -> None:
    parser = Parser(
        prog='smaknet_matcher',
        description='Match camera topics against a demonstration (docs/interfaces.md).',
        epilog='example: smaknet_matcher --ros-args --params-file matcher.yaml '
        '-p model:=out/run -p demonstration:=out/demo.safetensors',
    )
    parser.parse_args(args)


def _reason(err: Exception) -> str:
    """Put an error in one line; only those raised on purpose say enough without their type."""
    text = printable(' '.join(str(err).split()))
    return text if isinstance(err, SmaknetError) else f'{type(err).__name__}: {text}'


def _complain(err: Exception) -> int:
    print(f'smaknet_matcher: {printable(" ".join(str(err).split()))}', file=sys.stderr)
    return ends_with(2)


if __name__ == '__main__':
    sys.exit(main())
